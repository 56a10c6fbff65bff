"""A pytest plugin: test the extension module in the folder BITSIEVE_TEST_EXTENSION instead of the installed one."""

import importlib.util
import os
import sys
from pathlib import Path

import bitsieve

(path,) = Path(os.environ["BITSIEVE_TEST_EXTENSION"]).glob("_native.*")
spec = importlib.util.spec_from_file_location("bitsieve._native", path)
assert spec
assert spec.loader
extension = importlib.util.module_from_spec(spec)
spec.loader.exec_module(extension)
sys.modules["bitsieve._native"] = extension
bitsieve._native = extension
print(f"testing {path}")
