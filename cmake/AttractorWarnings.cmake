# attractor_warnings(target): the warnings this project keeps clean.
function(attractor_warnings target)
  target_compile_options(${target} PRIVATE
    $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wold-style-cast
      -Wnon-virtual-dtor -Woverloaded-virtual -Wundef>
    $<$<AND:$<COMPILE_LANGUAGE:CXX>,$<BOOL:${ATTRACTOR_WARNINGS_AS_ERRORS}>>:-Werror>)
endfunction()
