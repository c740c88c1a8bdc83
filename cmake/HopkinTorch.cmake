# hopkin::torch, from the `torch` package of the Python environment. Its own CMake package is not
# used: for a CUDA build it asks for a CUDA compiler, which linking against libtorch does not need.

execute_process(
  COMMAND "${Python_EXECUTABLE}" -c
          "import importlib.util, pathlib; print(pathlib.Path(importlib.util.find_spec('torch').origin).parent)"
  OUTPUT_VARIABLE torch_package OUTPUT_STRIP_TRAILING_WHITESPACE
  RESULT_VARIABLE status ERROR_QUIET)
if(NOT status EQUAL 0)
  message(FATAL_ERROR "No torch in ${Python_EXECUTABLE}: install it, or pass -D HOPKIN_TORCH=OFF.")
endif()
set(HOPKIN_TORCH_LIBRARY_DIR "${torch_package}/lib")

add_library(hopkin_torch_interface INTERFACE)
add_library(hopkin::torch ALIAS hopkin_torch_interface)
target_include_directories(hopkin_torch_interface SYSTEM INTERFACE
  "${torch_package}/include" "${torch_package}/include/torch/csrc/api/include")
# libtorch.so pulls in the CUDA back end where there is one; the linker must not drop it.
target_link_libraries(hopkin_torch_interface INTERFACE
  -Wl,--no-as-needed "${torch_package}/lib/libtorch.so" -Wl,--as-needed
  "${torch_package}/lib/libtorch_cpu.so" "${torch_package}/lib/libc10.so")
target_compile_features(hopkin_torch_interface INTERFACE cxx_std_20)
message(STATUS "torch: ${torch_package}")
