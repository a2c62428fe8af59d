#include "host/src/safetensors_header.hpp"

#include <cstddef>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include <attractor/error.hpp>

namespace attractor::detail {
namespace {

using Json = nlohmann::json;

constexpr const char* metadata_name = "__metadata__";

/// Takes a header's values as they are read. No tree is made of them: the library's trees ask for memory when they are
/// taken down, and end the process where there is none.
///
/// What is wrong with a header that is JSON is said once all of it has been read, by take().
class HeaderHandler final : public nlohmann::json_sax<Json> {
 public:
  bool null() override { return other(); }
  bool boolean(bool /*value*/) override { return other(); }
  bool number_integer(Json::number_integer_t /*value*/) override { return other(); }
  bool number_float(Json::number_float_t /*value*/, const Json::string_t& /*text*/) override { return other(); }
  bool binary(Json::binary_t& /*value*/) override { return other(); }

  bool number_unsigned(Json::number_unsigned_t value) override {
    constexpr auto largest = static_cast<std::uint64_t>(std::numeric_limits<Index>::max());
    if (place() != Place::sizes || value > largest) return other();
    sizes().push_back(static_cast<Index>(value));
    return true;
  }

  bool string(Json::string_t& value) override {
    if (place() == Place::metadata)
      header_.metadata[key_] = std::move(value);
    else if (place() == Place::tensor && key_ == "dtype")
      entry_.type = std::move(value);
    else
      return other();
    return true;
  }

  bool key(Json::string_t& value) override {
    if (place() == Place::ignored) return true;
    std::string& current = place() == Place::header ? name_ : key_;
    current = std::move(value);
    if (!(place() == Place::header ? names_ : keys_).insert(current).second)
      note("the key " + Json(current).dump() + " occurs twice");
    return true;
  }

  bool start_object(std::size_t /*count*/) override {
    if (place() == Place::outside) return enter(Place::header);
    if (place() != Place::header) return enter_ignored();
    keys_.clear();
    entry_ = {};
    offsets_.clear();
    return enter(name_ == metadata_name ? Place::metadata : Place::tensor);
  }

  bool end_object() override {
    if (place() == Place::tensor) keep_tensor();
    return leave();
  }

  bool start_array(std::size_t /*count*/) override { return is_sizes() ? enter(Place::sizes) : enter_ignored(); }
  bool end_array() override { return leave(); }

  bool parse_error(std::size_t /*position*/, const std::string& /*token*/,
                   const nlohmann::detail::exception& error) override {
    throw FileError(std::string("it isn't JSON: ") + error.what());
  }

  /// @throws FileError what is wrong
  SafetensorsHeader take() {
    if (!wrong_.empty()) throw FileError(wrong_);
    return std::move(header_);
  }

 private:
  enum class Place : unsigned char { outside, header, metadata, tensor, sizes, ignored };

  [[nodiscard]] Place place() const { return places_.back(); }
  bool enter(Place place) {
    places_.push_back(place);
    return true;
  }
  bool enter_ignored() {
    other();
    return enter(Place::ignored);
  }
  bool leave() {
    places_.pop_back();
    return true;
  }

  void note(const std::string& what) {
    if (wrong_.empty()) wrong_ = what;
  }

  /// Whether what comes next are numbers of a tensor's.
  [[nodiscard]] bool is_sizes() const {
    return place() == Place::tensor && (key_ == "shape" || key_ == "data_offsets");
  }
  std::vector<Index>& sizes() { return key_ == "shape" ? entry_.shape : offsets_; }
  [[nodiscard]] std::string words_for_sizes() const {
    return (key_ == "shape" ? "the shape of " : key_ + " of ") + name_;
  }

  /// A value that isn't what has its place here.
  bool other() {
    switch (place()) {
      case Place::outside: note("it isn't an object"); break;
      case Place::header: note(name_ + " isn't an object"); break;
      case Place::metadata: note("the metadata " + key_ + " isn't a string"); break;
      case Place::sizes: note(words_for_sizes() + " has something other than whole numbers"); break;
      case Place::tensor:
        if (key_ == "dtype") note("the dtype of " + name_ + " isn't a string");
        if (is_sizes()) note(words_for_sizes() + " isn't an array");
        break;
      case Place::ignored: break;
    }
    return true;
  }

  void keep_tensor() {
    for (const char* const needed : {"dtype", "data_offsets", "shape"})
      if (!keys_.contains(needed)) note("there is no " + std::string(needed) + " of " + name_);
    if (offsets_.size() != 2 || offsets_[0] > offsets_[1])
      return note("data_offsets of " + name_ + " aren't a begin and an end");
    entry_.begin = static_cast<std::uint64_t>(offsets_[0]);
    entry_.end = static_cast<std::uint64_t>(offsets_[1]);
    header_.tensors[name_] = std::move(entry_);
  }

  SafetensorsHeader header_;
  std::string wrong_;  ///< what was so first
  std::vector<Place> places_ = {Place::outside};
  std::string name_;  ///< the header's member
  std::string key_;   ///< its member
  std::set<std::string> names_;
  std::set<std::string> keys_;
  TensorEntry entry_;
  std::vector<Index> offsets_;
};

/// Texts that are JSON, with commas between them.
std::string joined(char open, const std::vector<std::string>& texts, char close) {
  std::string result(1, open);
  for (const std::string& text : texts) {
    if (result.size() > 1) result += ',';
    result += text;
  }
  return result += close;
}

std::string object(const std::map<std::string, std::string>& members) {
  std::vector<std::string> texts;
  for (const auto& [key, value] : members) texts.push_back(Json(key).dump() + ":" + value);
  return joined('{', texts, '}');
}

template <class T>
std::string array(const std::vector<T>& values) {
  std::vector<std::string> texts;
  for (const T value : values) texts.push_back(std::to_string(value));
  return joined('[', texts, ']');
}

}  // namespace

SafetensorsHeader parse_header(const std::string& json) {
  HeaderHandler handler;
  Json::sax_parse(json, &handler);
  return handler.take();
}

std::string to_json(const SafetensorsHeader& header) {
  std::map<std::string, std::string> strings;
  for (const auto& [key, value] : header.metadata) strings[key] = Json(value).dump();
  std::map<std::string, std::string> members = {{metadata_name, object(strings)}};
  for (const auto& [name, tensor] : header.tensors)
    members[name] = object({{"dtype", Json(tensor.type).dump()},
                            {"shape", array(tensor.shape)},
                            {"data_offsets", array(std::vector{tensor.begin, tensor.end})}});
  return object(members);
}

}  // namespace attractor::detail
