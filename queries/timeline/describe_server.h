// One line in the reader's words for each event of a dedicated server. Internal to describe.cc.
#pragma once

#include <string>

#include "eventstore/events/codec.h"

namespace muster::queries {

struct ServerDescriber {
  std::string operator()(const eventpb::ServerPlanned& e);
  std::string operator()(const eventpb::ServerOrderRequested& e);
  std::string operator()(const eventpb::ServerOrderAccepted& e);
  std::string operator()(const eventpb::ServerOrderRefused& e);
  std::string operator()(const eventpb::ServerOrderUnclear& e);
  std::string operator()(const eventpb::ServerOrderNotFound& e);
  std::string operator()(const eventpb::ServerDelivered& e);
  std::string operator()(const eventpb::ServerOverdue& e);
  std::string operator()(const eventpb::ServerStepRequested& e);
  std::string operator()(const eventpb::ServerResetRequested& e);
  std::string operator()(const eventpb::ServerBuildRequested& e);
  std::string operator()(const eventpb::ServerStepDone& e);
  std::string operator()(const eventpb::ServerStepFailed& e);
  std::string operator()(const eventpb::ServerObserved& e);
  std::string operator()(const eventpb::BuilderObserved& e);
  std::string operator()(const eventpb::ServerCancelRequested& e);
  std::string operator()(const eventpb::ServerCancelSet& e);
  std::string operator()(const eventpb::ServerCancelFailed& e);
  std::string operator()(const eventpb::ServerRevokeRequested& e);
  std::string operator()(const eventpb::ServerRevoked& e);
  std::string operator()(const eventpb::ServerEnded& e);
  std::string operator()(const eventpb::StrayServerFound& e);
};

}  // namespace muster::queries
