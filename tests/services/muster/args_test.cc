#include "services/muster/args.h"

#include "tests/support/matchers.h"
#include "tests/support/pch.h"

namespace muster::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const std::vector<Flag> kGlobal = {{"output", 'o', "FORMAT", "how"}, {"no-color", 0, "", "plain"}};

VerbSpec Scale() {
  return {"scale", "FLEET N", 2, 2, "help", {{"yes", 'y', "", "do"}, {"dry-run", 'n', "", "not"}}};
}

TEST(Args, TakesFlagsAnywhereInAnySpelling) {
  const auto args = ParseArgs(Scale(), kGlobal, {"-y", "zeb", "--output=json", "5", "--no-color"});
  ASSERT_TRUE(args.ok()) << args.status();
  EXPECT_THAT(args->positional(), ElementsAre("zeb", "5"));
  EXPECT_TRUE(args->Has("yes"));
  EXPECT_TRUE(args->Has("no-color"));
  EXPECT_EQ(args->Get("output"), "json");
  EXPECT_EQ(ParseArgs(Scale(), kGlobal, {"zeb", "5", "-o", "yaml"})->Get("output"), "yaml");
}

TEST(Args, WhatFollowsTwoDashesIsAnArgument) {
  const auto args = ParseArgs(Scale(), kGlobal, {"zeb", "--", "-5"});
  ASSERT_TRUE(args.ok()) << args.status();
  EXPECT_THAT(args->positional(), ElementsAre("zeb", "-5"));
}

TEST(Args, RefusesInTheUsersWords) {
  const auto message = [](const std::vector<std::string>& words) {
    const auto args = ParseArgs(Scale(), kGlobal, words);
    EXPECT_EQ(args.status().code(), StatusCode::kInvalidArgument);
    return std::string(Message(args.status()));
  };
  EXPECT_THAT(message({"zeb", "5", "--yess"}), HasSubstr("--yes"));
  EXPECT_THAT(message({"zeb"}), HasSubstr("FLEET N"));
  EXPECT_THAT(message({"zeb", "5", "6"}), HasSubstr("got 3"));
  EXPECT_THAT(message({"zeb", "5", "--output"}), HasSubstr("FORMAT"));
}

TEST(Verbs, AUniquePrefixIsEnough) {
  const std::vector<VerbSpec> verbs = {{"status"}, {"stats"}, {"scale"}, {"ssh"}};
  EXPECT_EQ(*FindVerb(verbs, "sc"), 2u);
  EXPECT_EQ(*FindVerb(verbs, "stats"), 1u);
  EXPECT_EQ(FindVerb(verbs, "stat").status().code(), StatusCode::kInvalidArgument);
  const Status unknown = FindVerb(verbs, "scael").status();
  EXPECT_EQ(unknown.code(), StatusCode::kNotFound);
  EXPECT_THAT(std::string(Message(unknown)), HasSubstr("scale"));
}

}  // namespace
}  // namespace muster::cli
