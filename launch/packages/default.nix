# Nix expression. From this source tree: nix-build launch/packages/default.nix
{ pkgs ? import <nixpkgs> { }, mpiSupport ? true }:

pkgs.stdenv.mkDerivation {
  pname = "deeptaxa-mpi";
  version = "0.1.0";
  src = pkgs.lib.cleanSource ../..;

  nativeBuildInputs = [ pkgs.cmake pkgs.ninja pkgs.pkg-config ];
  buildInputs = [ pkgs.hdf5 pkgs.jansson pkgs.libarchive pkgs.zlib ]
    ++ pkgs.lib.optional mpiSupport pkgs.mpi;

  cmakeFlags = [
    "-DDEEPTAXA_CUDA=OFF"
    "-DDEEPTAXA_ONEDNN=OFF"
    "-DDEEPTAXA_MPI=${if mpiSupport then "ON" else "OFF"}"
    "-DDEEPTAXA_ARCHIVE=ON"
    "-DBUILD_TESTING=OFF"
    "-DCMAKE_INSTALL_BINDIR=bin"
    "-DCMAKE_INSTALL_LIBDIR=lib"
  ];

  meta = {
    description = "Training and running the DeepTaxa 16S rRNA classifier";
    license = pkgs.lib.licenses.mit;
    platforms = pkgs.lib.platforms.linux;
    mainProgram = "deeptaxa";
  };
}
