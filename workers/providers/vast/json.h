// Reading the provider's JSON without trusting it: every field may be missing, null, of another
// type, a number in a string, NaN or infinite. Internal to the adapter. Pure, no exceptions.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace muster::vast {

// The whole of `text` as one JSON value; nullopt when it is anything else (truncated, followed by
// garbage, HTML). Two habits of the provider's language are forgiven: bare NaN and Infinity read
// as null, and malformed UTF-8 as U+FFFD.
std::optional<nlohmann::json> ParseJson(std::string_view text);
// `text` with null for member `name` of the outermost object, if that is an object. What is left
// out is not checked: its brackets and quotes are followed, at a tenth of what reading it costs.
std::string WithoutObject(std::string_view text, std::string_view name);
// Whether member `name` of the outermost object may read as anything but true; false only where the
// whole would read so. Costs as little as WithoutObject, and is for answers that are read in full
// later on.
bool MayBeFalse(std::string_view text, std::string_view name);
// The same as ParseJson, but of the outermost object's members only one is kept: the others are
// checked, but cost no memory.
std::optional<nlohmann::json> ParseJsonOnly(std::string_view text, std::string_view wanted_name);

// The member `key`, or a null value when `object` is no object or has none.
const nlohmann::json& Member(const nlohmann::json& object, std::string_view key);

// Finite numbers and strings that hold one; nullopt for all else.
std::optional<double> Number(const nlohmann::json& object, std::string_view key);
// Trimmed, valid UTF-8; "" for anything but a string.
std::string Text(const nlohmann::json& object, std::string_view key);
// true, false, 1, 0, "true", "false"; nullopt for all else.
std::optional<bool> Flag(const nlohmann::json& object, std::string_view key);
// An id: whole numbers however written (7, 7.0, "7") give "7"; "" for all else.
std::string IdText(const nlohmann::json& object, std::string_view key);

}  // namespace muster::vast
