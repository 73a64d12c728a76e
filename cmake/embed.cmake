# anomctl_embed(TARGET NAMESPACE_VARIABLE FILE): makes the file's bytes a `extern const std::string_view` of that name in
# namespace anomctl::embedded, declared in embedded/<name>.h.
function(anomctl_embed target name file)
  set(folder ${CMAKE_BINARY_DIR}/embedded/${target})
  set(source ${folder}/${name}.cpp)
  set(header ${folder}/embedded/${name}.h)
  add_custom_command(OUTPUT ${source} ${header}
    COMMAND ${CMAKE_COMMAND} -DNAME=${name} -DINPUT=${file} -DSOURCE=${source} -DHEADER=${header}
            -P ${CMAKE_SOURCE_DIR}/cmake/embed_file.cmake
    DEPENDS ${file} ${CMAKE_SOURCE_DIR}/cmake/embed_file.cmake
    COMMENT "Embedding ${name}")
  # Clang minds literals over 64 KiB.
  set_source_files_properties(${source} PROPERTIES COMPILE_OPTIONS -Wno-overlength-strings)
  target_sources(${target} PRIVATE ${source} ${header})
  target_include_directories(${target} PRIVATE ${folder})
endfunction()
