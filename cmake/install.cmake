# cmake --install gives a tree that can be moved: bin/anomctl, lib/anomctl (the shared libraries that a bare Debian 12
# lacks), lib/anomctl/modules, share/. Component "program" is ours, "libraries" the bundled ones: the tarball has both, the
# Debian package depends on Debian's libraries instead.
include(GNUInstallDirs)
set(module_folder lib/anomctl/modules)

set_target_properties(anomctl PROPERTIES INSTALL_RPATH "$ORIGIN/../lib/anomctl")
# The old kind of path, which also counts for what a bundled library needs itself (librdkafka: lz4, zstd, sasl2).
target_link_options(anomctl PRIVATE -Wl,--disable-new-dtags)
# Not bundled: glibc and the compiler's runtime, which every Debian has; libtorch, which is found at run time.
install(TARGETS anomctl RUNTIME_DEPENDENCY_SET runtime RUNTIME DESTINATION bin COMPONENT program)
foreach(module anomctl-torch anomctl-tables)
  if(TARGET ${module})
    get_target_property(linked ${module} TYPE)
    if(linked STREQUAL "MODULE_LIBRARY" OR linked STREQUAL "SHARED_LIBRARY")
      set_target_properties(${module} PROPERTIES INSTALL_RPATH "$ORIGIN/..")
      install(TARGETS ${module} LIBRARY DESTINATION ${module_folder} COMPONENT program)
    endif()
  endif()
endforeach()
install(RUNTIME_DEPENDENCY_SET runtime
  PRE_EXCLUDE_REGEXES "^ld-linux" "^lib(c|m|dl|rt|pthread|resolv|gcc_s|stdc\\+\\+)\\.so"
  DESTINATION lib/anomctl COMPONENT libraries)

foreach(file README.md ARCHITECTURE.md CHANGELOG.md LICENSE NOTICE docs)
  if(EXISTS ${CMAKE_SOURCE_DIR}/${file})
    if(IS_DIRECTORY ${CMAKE_SOURCE_DIR}/${file})
      install(DIRECTORY ${CMAKE_SOURCE_DIR}/${file}/ DESTINATION share/doc/anomctl/${file} COMPONENT program)
    else()
      install(FILES ${CMAKE_SOURCE_DIR}/${file} DESTINATION share/doc/anomctl COMPONENT program)
    endif()
  endif()
endforeach()
install(DIRECTORY ${CMAKE_SOURCE_DIR}/configs DESTINATION share/anomctl COMPONENT program)
install(DIRECTORY ${CMAKE_SOURCE_DIR}/compose DESTINATION share/anomctl COMPONENT program
  PATTERN secrets EXCLUDE PATTERN .env EXCLUDE)

install(DIRECTORY ${CMAKE_SOURCE_DIR}/templates/systemd ${CMAKE_SOURCE_DIR}/templates/telegraf
  ${CMAKE_SOURCE_DIR}/templates/grafana ${CMAKE_SOURCE_DIR}/templates/influxdb ${CMAKE_SOURCE_DIR}/templates/kubernetes
  DESTINATION share/anomctl/templates COMPONENT program)

# Man page and completions are written by the program itself.
set(written ${CMAKE_BINARY_DIR}/written)
install(CODE "
  file(MAKE_DIRECTORY ${written})
  foreach(pair \"anomctl.1|reference|--format=man\" \"anomctl.bash|completion|bash\" \"_anomctl|completion|zsh\"
          \"anomctl.fish|completion|fish\")
    string(REPLACE \"|\" \";\" pair \"\${pair}\")
    list(POP_FRONT pair name)
    execute_process(COMMAND $<TARGET_FILE:anomctl> \${pair} OUTPUT_FILE ${written}/\${name} COMMAND_ERROR_IS_FATAL ANY)
  endforeach()
  execute_process(COMMAND gzip -9 -n -f -k ${written}/anomctl.1 COMMAND_ERROR_IS_FATAL ANY)
  " COMPONENT program)
install(FILES ${written}/anomctl.1.gz DESTINATION share/man/man1 COMPONENT program)
install(FILES ${written}/anomctl.bash RENAME anomctl DESTINATION share/bash-completion/completions COMPONENT program)
install(FILES ${written}/_anomctl DESTINATION share/zsh/vendor-completions COMPONENT program)
install(FILES ${written}/anomctl.fish DESTINATION share/fish/vendor_completions.d COMPONENT program)

set(CPACK_GENERATOR TGZ DEB)
set(CPACK_PACKAGE_NAME anomctl)
set(CPACK_PACKAGE_VENDOR "anomctl contributors")
set(CPACK_PACKAGE_CONTACT "anomctl contributors <maintainers@anomctl.invalid>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY ${PROJECT_DESCRIPTION})
set(CPACK_PACKAGE_FILE_NAME anomctl-${PROJECT_VERSION}-linux-x86_64)
set(CPACK_OUTPUT_FILE_PREFIX ${CMAKE_SOURCE_DIR}/dist)
set(CPACK_STRIP_FILES ON)
set(CPACK_ARCHIVE_COMPONENT_INSTALL ON)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_COMPONENTS_GROUPING ALL_COMPONENTS_IN_ONE)
set(CPACK_PROJECT_CONFIG_FILE ${CMAKE_SOURCE_DIR}/cmake/package.cmake)
# Named here: dpkg-shlibdeps gives up at the modules, whose libtorch and Arrow no Debian package has.
set(CPACK_DEBIAN_PACKAGE_DEPENDS "libc6 (>= 2.36), libstdc++6 (>= 12), libgcc-s1, zlib1g, libdate-tz3, libfmt9, libssl3, \
libpaho-mqttpp3-1, libpaho-mqtt1.3, libprometheus-cpp-core1.0, libsqlite3-0, librdkafka1")
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "mosquitto, python3-pip")
set(CPACK_DEBIAN_FILE_NAME anomctl_${PROJECT_VERSION}_amd64.deb)
include(CPack)
