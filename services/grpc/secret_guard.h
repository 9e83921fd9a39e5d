// What keeps secrets that clients type by mistake out of the log: a request that holds the value of
// one is refused, since a value once in the chain can never be taken out of every copy. Reactor
// thread (it calls the mask of Secrets).
#pragma once

#include <google/protobuf/message.h>

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace muster::grpc_api {

using MaskFn = std::function<std::string(std::string_view)>;

// Field and problem of every text in `message` that `mask` would change, in the order of the
// fields; the values are not repeated. Nothing is found without a mask.
std::vector<std::pair<std::string, std::string>> FieldsWithSecrets(
    const google::protobuf::Message& message, const MaskFn& mask);

}  // namespace muster::grpc_api
