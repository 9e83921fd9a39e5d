// Reading the web service's JSON without trusting it: every member may be missing, null or of
// another type than last time. Internal to the adapter. Pure, no exceptions.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace muster::hetzner {

using Json = nlohmann::json;

// The whole of `text` as one JSON value; nullopt when it is anything else (cut, followed by
// garbage, HTML).
std::optional<Json> ParseJson(std::string_view text);

// The member `key`; a null value when `object` is no object or has none.
const Json& Member(const Json& object, std::string_view key);

// Trimmed, valid UTF-8; "" for anything but a string.
std::string Text(const Json& object, std::string_view key);
// Ids are whole numbers here and strings there: both as text; "" for all else.
std::string IdText(const Json& object, std::string_view key);
// Whole numbers, also those written as text; nullopt for all else.
std::optional<std::int64_t> Whole(const Json& object, std::string_view key);
// true, false, "true", "false"; nullopt for all else.
std::optional<bool> Flag(const Json& object, std::string_view key);
// What is a list in one state is a single text in another: both as a list; empty for all else.
std::vector<std::string> Texts(const Json& object, std::string_view key);

// A price, "148.0000", in millionths: digits with at most one point, exactly representable.
std::optional<std::int64_t> Micros(const Json& object, std::string_view key);
std::optional<std::int64_t> MicrosFromDecimal(std::string_view text);

}  // namespace muster::hetzner
