# extract_example(MARKDOWN SOURCE): writes the one C++ block between the markers of MARKDOWN to SOURCE.
# Missing or repeated markers are an error: the example that users paste must be the one that is compiled.
function(extract_example markdown source)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${markdown})
  file(READ ${markdown} text)
  string(REGEX MATCHALL "<!-- example:(begin|end) -->" markers "${text}")
  if(NOT "${markers}" STREQUAL "<!-- example:begin -->;<!-- example:end -->")
    message(FATAL_ERROR "${markdown} must have <!-- example:begin --> and <!-- example:end --> once each, in this order")
  endif()

  # Offsets rather than lists: C++ is full of semicolons and brackets.
  set(fence "<!-- example:begin -->\n```cpp\n")
  string(FIND "${text}" "${fence}" begin)
  string(FIND "${text}" "\n```\n<!-- example:end -->" end)
  if(begin EQUAL -1 OR end EQUAL -1)
    message(FATAL_ERROR "${markdown}: the markers must enclose one fenced cpp block and nothing else")
  endif()
  string(LENGTH "${fence}" fence_length)
  math(EXPR begin "${begin} + ${fence_length}")
  math(EXPR length "${end} - ${begin} + 1")
  string(SUBSTRING "${text}" ${begin} ${length} code)
  file(WRITE ${source}.new "${code}")
  file(COPY_FILE ${source}.new ${source} ONLY_IF_DIFFERENT)
endfunction()
