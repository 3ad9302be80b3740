/* The network of this host, from the kernel's files. */
#ifndef DT_RANKS_NETWORK_H
#define DT_RANKS_NETWORK_H

typedef struct {
    char name[96]; /* "mlx5_0, 400 Gb/sec (4X NDR), of 4"; "eth0, 10000 Mb/s"; "none" */
    double rate;   /* bytes per second of a port; 0: unknown */
} dt_network;

/* Finds the first InfiniBand (or RoCE) adapter; where there is none, the first interface that is up
 * and no loopback. `root`: "" for this machine; tests pass a folder that contains sys/. */
void dt_network_find(const char *root, dt_network *out);

#endif
