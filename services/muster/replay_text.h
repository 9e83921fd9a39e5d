// How a replay and a bundle look on a terminal of 80 columns. Pure.
#pragma once

#include <cstddef>
#include <string>

#include "muster/api/v1/query.pb.h"
#include "muster/event/v1/bundle.pb.h"

namespace muster::cli {

namespace api = ::muster::api::v1;

struct ReplayAsked {
  bool bundle = false;
  std::string policy;   // the file; "" = what was in force
  std::string command;  // what was typed, for hints
};
std::string ReplayText(const api::ReplayResponse& answer, const ReplayAsked& asked);

std::string BundleText(const event::v1::Bundle& bundle, const std::string& path, std::size_t bytes);

}  // namespace muster::cli
