# LAMMPS from its source, and the plugins against it: cmake --preset from-source, then cmake --build.
# Both go to <build>/prefix: bin/lmp, lib/hopkin. For a machine whose LAMMPS lacks packages, or for GPUs.
# Wanted of the Python environment: Cython and numpy, for pair_style mliap in Python; and mpicxx, or one on the PATH.

include(ExternalProject)
set(HOPKIN_LAMMPS_SOURCE_DIR "" CACHE PATH "Unpacked source of LAMMPS; empty: that of Debian 13 is fetched")
if(HOPKIN_LAMMPS_SOURCE_DIR)
  set(source SOURCE_DIR "${HOPKIN_LAMMPS_SOURCE_DIR}")
else()
  # LAMMPS 4 Feb 2025, as Debian has it: without the library of KOKKOS
  set(source
    URL "https://deb.debian.org/debian/pool/main/l/lammps/lammps_20250204+dfsg.1.orig.tar.xz"
    URL_HASH SHA256=3671165bd52fad36734e0a9136c5bc5ecb225e03988f8c89aa13366a8b53b1c7
    DOWNLOAD_EXTRACT_TIMESTAMP ON)
endif()

# What the decks of hopkin use, and pair_style mliap with Python
set(packages PLUGIN REPLICA MANYBODY PHONON COMPRESS PYTHON ML-SNAP ML-IAP)
list(TRANSFORM packages REPLACE "(.+)" "-DPKG_\\1=ON")
set(kokkos "")
if(EXISTS "${HOPKIN_LAMMPS_SOURCE_DIR}/lib/kokkos")
  set(kokkos -DPKG_KOKKOS=ON -DKokkos_ENABLE_OPENMP=ON -DKokkos_ENABLE_CUDA=${HOPKIN_CUDA})
elseif(HOPKIN_CUDA)
  message(FATAL_ERROR "No KOKKOS in that source: pass -D HOPKIN_LAMMPS_SOURCE_DIR=<LAMMPS from its own site>.")
endif()
set(HOPKIN_LAMMPS_OPTIONS "" CACHE STRING "More options of LAMMPS's own CMake, such as -DKokkos_ARCH_HOPPER90=ON")
set(prefix "${CMAKE_BINARY_DIR}/prefix")
get_filename_component(python_bin "${Python_EXECUTABLE}" DIRECTORY)
find_program(MPI_CXX_COMPILER mpicxx HINTS "${python_bin}" REQUIRED)
set(common
  -DCMAKE_BUILD_TYPE=${CMAKE_BUILD_TYPE}
  -DCMAKE_INSTALL_PREFIX=${prefix}
  -DPython_EXECUTABLE=${Python_EXECUTABLE}
  -DMPI_CXX_COMPILER=${MPI_CXX_COMPILER})

ExternalProject_Add(lammps
  ${source}
  SOURCE_SUBDIR cmake
  CMAKE_ARGS ${common} ${packages}
    -DCMAKE_INSTALL_LIBDIR=lib -DBUILD_SHARED_LIBS=ON -DBUILD_MPI=ON -DBUILD_OMP=ON -DLAMMPS_EXCEPTIONS=ON
    -DMLIAP_ENABLE_PYTHON=ON -DWITH_JPEG=OFF -DWITH_PNG=OFF -DWITH_FFMPEG=OFF -DWITH_GZIP=ON
    -DCMAKE_INSTALL_RPATH=${prefix}/lib -DCMAKE_INSTALL_RPATH_USE_LINK_PATH=ON
    ${kokkos} ${HOPKIN_LAMMPS_OPTIONS}
  USES_TERMINAL_BUILD ON)

ExternalProject_Add(plugins
  SOURCE_DIR "${CMAKE_SOURCE_DIR}"
  DEPENDS lammps
  CMAKE_ARGS ${common} -DHOPKIN_FROM_SOURCE=OFF -DLAMMPS_ROOT=${prefix}
    -DHOPKIN_TORCH=${HOPKIN_TORCH} -DHOPKIN_SERVICE=${HOPKIN_SERVICE} -DHOPKIN_GRACE=${HOPKIN_GRACE}
  BUILD_ALWAYS ON
  USES_TERMINAL_BUILD ON)
