#include "workers/providers/vast/json.h"

#include <nlohmann/json.hpp>

#include "tests/support/pch.h"

namespace muster::vast {
namespace {

using nlohmann::json;

TEST(VastJson, TheFlatReadingOfAnObjectIsItsPlainMembers) {
  const auto flat = ParseFlat(
      R"({"success": true, "n": 7, "x": 1.5, "none": null, "msg": "hi",
          "rows": [{"success": false}, "msg"], "more": {"n": 8}})");
  ASSERT_TRUE(flat.has_value());
  EXPECT_EQ(*flat,
            json({{"success", true}, {"n", 7}, {"x", 1.5}, {"none", nullptr}, {"msg", "hi"}}));
}

TEST(VastJson, TheFlatReadingAcceptsWhatTheWholeOneAccepts) {
  for (const char* text :
       {"", "{", "[]", "[{}]", "7", "null", "\"a\"", "{}", "{}x", "{\"a\": 1e999}", "{\"a\": NaN}",
        "{\"a\": [1, {\"b\": -Infinity}]}", "{\"a\": \"\xff\"}", "<html>", "{\"a\": [1}",
        "{\"a\": 1, \"a\": {}}", "{\"a\": {}, \"a\": 2}"}) {
    SCOPED_TRACE(text);
    const auto whole = ParseJson(text);
    const auto flat = ParseFlat(text);
    ASSERT_EQ(flat.has_value(), whole.has_value() && whole->is_object());
    if (!flat.has_value()) continue;
    json plain = json::object();
    for (const auto& [key, value] : whole->items()) {
      if (!value.is_structured()) plain[key] = value;
    }
    EXPECT_EQ(*flat, plain);
  }
}

}  // namespace
}  // namespace muster::vast
