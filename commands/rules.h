// The names of the rules by which muster decides; the table is rules.def.
#pragma once

namespace muster::rules {

#define RULE(constant, name, what) inline constexpr char constant[] = name;
#include "commands/rules.def"
#undef RULE

inline constexpr const char* kAll[] = {
#define RULE(constant, name, what) name,
#include "commands/rules.def"
#undef RULE
};

}  // namespace muster::rules
