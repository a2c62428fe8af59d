#include "bench/support/options.hpp"

#include <charconv>
#include <iomanip>
#include <iostream>
#include <sstream>
#include <utility>

namespace attractor::bench {
namespace {

template <class Number>
Number parse_number(std::string_view text) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size())
    throw UsageError("'" + std::string(text) + "' is not a number in range");
  return value;
}

/// The values between commas, each as `parse` reads it.
template <class Element>
std::vector<Element> parse_list(std::string_view text, Element (*parse)(std::string_view)) {
  std::vector<Element> values;
  while (true) {
    const std::size_t comma = text.find(',');
    values.push_back(parse(text.substr(0, comma)));
    if (comma == std::string_view::npos) return values;
    text.remove_prefix(comma + 1);
  }
}

std::string parse_word(std::string_view text) { return std::string(text); }

template <class Number>
std::string number_text(Number value) {
  std::ostringstream text;
  text << value;
  return text.str();
}

template <class Element>
std::string list_text(const std::vector<Element>& values) {
  std::ostringstream text;
  const char* separator = "";
  for (const Element& value : values) text << std::exchange(separator, ",") << value;
  return text.str();
}

}  // namespace

void Options::add(const std::string& name, std::string& value, const std::string& help) {
  options_.push_back({name, help, value, true, [&value](std::string_view text) { value = text; }});
}

void Options::add(const std::string& name, int& value, const std::string& help) {
  options_.push_back(
      {name, help, number_text(value), true, [&value](std::string_view text) { value = parse_number<int>(text); }});
}

void Options::add(const std::string& name, Index& value, const std::string& help) {
  options_.push_back(
      {name, help, number_text(value), true, [&value](std::string_view text) { value = parse_number<Index>(text); }});
}

void Options::add(const std::string& name, float& value, const std::string& help) {
  options_.push_back(
      {name, help, number_text(value), true, [&value](std::string_view text) { value = parse_number<float>(text); }});
}

void Options::add(const std::string& name, std::vector<int>& values, const std::string& help) {
  options_.push_back({name, help, list_text(values), true,
                      [&values](std::string_view text) { values = parse_list(text, parse_number<int>); }});
}

void Options::add(const std::string& name, std::vector<std::string>& values, const std::string& help) {
  options_.push_back({name, help, list_text(values), true,
                      [&values](std::string_view text) { values = parse_list(text, parse_word); }});
}

void Options::add_flag(const std::string& name, bool& value, const std::string& help) {
  options_.push_back({name, help, "", false, [&value](std::string_view) { value = true; }});
}

bool Options::parse(int argc, const char* const* argv) const {
  const std::vector<std::string_view> arguments(argv + 1, argv + argc);
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    if (arguments[i] == "--help" || arguments[i] == "-h") {
      print_help();
      return false;
    }
    const std::size_t equals = arguments[i].find('=');
    const std::string_view name = arguments[i].substr(0, equals);
    const Option& option = find(name);
    std::string_view value;
    if (equals != std::string_view::npos) {
      if (!option.takes_value) throw UsageError(option.name + " takes no value");
      value = arguments[i].substr(equals + 1);
    } else if (option.takes_value) {
      if (++i == arguments.size()) throw UsageError(option.name + " needs a value");
      value = arguments[i];
    }
    try {
      option.set(value);
    } catch (const UsageError& error) {
      throw UsageError(option.name + ": " + error.what());
    }
  }
  return true;
}

const Options::Option& Options::find(std::string_view name) const {
  for (const Option& option : options_)
    if (option.name == name) return option;
  throw UsageError("unknown option '" + std::string(name) + "'; --help lists them");
}

void Options::print_help() const {
  std::cout << purpose_ << "\n\nOptions:\n";
  for (const Option& option : options_) {
    std::cout << "  " << std::left << std::setw(18) << option.name << ' ' << option.help;
    if (!option.default_text.empty()) std::cout << " [" << option.default_text << ']';
    std::cout << '\n';
  }
}

}  // namespace attractor::bench
