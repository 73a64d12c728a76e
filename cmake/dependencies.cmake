# Third-party libraries, found and never downloaded (scripts/setup installs them). Each as one target named third_party_X,
# with its headers as system headers.
find_package(fmt REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(date REQUIRED)
set(ANOMCTL_PREFIX "$ENV{ANOMCTL_PREFIX}" CACHE PATH "Where scripts/setup put the Python wheels")
if(NOT ANOMCTL_PREFIX)
  execute_process(COMMAND ${CMAKE_SOURCE_DIR}/scripts/setup --print-prefix OUTPUT_VARIABLE ANOMCTL_PREFIX
                  OUTPUT_STRIP_TRAILING_WHITESPACE)
endif()
file(GLOB ANOMCTL_SITE_PACKAGES ${ANOMCTL_PREFIX}/lib/python3*/site-packages)
