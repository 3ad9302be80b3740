"""Renders conda's recipe by rattler-build, and builds it without its requirements: with this machine's
compiler and libraries, for want of a channel.

    check_conda.py RECIPE-FOLDER OUTPUT-FOLDER
"""
import json
import pathlib
import sys

import rattler_build as rb

folder, output = map(pathlib.Path, sys.argv[1:])
variants = rb.VariantConfig({"c_compiler": ["gcc"], "c_stdlib": ["sysroot"], "c_stdlib_version": ["2.17"]})
recipe = rb.Stage0Recipe.from_file(folder / "recipe.yaml")
(rendered,) = recipe.render(variants)
requirements = rendered.recipe.to_dict()["requirements"]
for kind, names in sorted(requirements.items()):
    print(f"{kind}: {', '.join(map(str, names))}")
print("checked: rattler-build renders the recipe")

plain = recipe.to_dict()
del plain["requirements"]
plain["tests"] = [test for test in plain["tests"] if "package_contents" in test]
local = folder / "local.json"
local.write_text(json.dumps(plain))
results = rb.Stage0Recipe.from_file(local).run_build(
    tool_config=rb.ToolConfiguration(test_strategy="native"), output_dir=output, channels=[],
    env_isolation=rb.EnvironmentIsolation.NONE)
for result in results:
    for package in result.packages:
        print(f"checked: build.sh makes {pathlib.Path(package).name}, with the files that the recipe's tests name")
