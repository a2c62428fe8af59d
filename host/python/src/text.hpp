#pragma once

/// Objects as the Python that makes them.

#include <array>
#include <charconv>
#include <string>
#include <string_view>
#include <type_traits>

namespace attractor::python {

inline std::string to_text(bool value) { return value ? "True" : "False"; }
inline std::string to_text(std::string_view value) { return std::string("'").append(value).append("'"); }
/// Of a number the shortest decimal that reads back as the same one.
template <class T>
requires(std::is_arithmetic_v<T> && !std::is_same_v<T, bool>) std::string to_text(T value) {
  std::array<char, 32> digits{};
  return {digits.data(), std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr};
}

/// "name(a=1, b=True)", argument by argument.
class CallText {
 public:
  explicit CallText(std::string_view name) : text_(name) { text_ += "("; }

  template <class T>
  CallText& with(std::string_view name, const T& value) {
    text_.append(is_first_ ? "" : ", ").append(name).append("=").append(to_text(value));
    is_first_ = false;
    return *this;
  }

  [[nodiscard]] std::string done() const { return text_ + ")"; }

 private:
  std::string text_;
  bool is_first_ = true;
};

}  // namespace attractor::python
