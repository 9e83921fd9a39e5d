// MapSecrets: Secrets out of a map from reference to value, with the real mask. One thread.
#pragma once

#include <functional>
#include <initializer_list>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "workers/ports/secret_mask.h"
#include "workers/ports/secrets.h"

namespace muster {

class MapSecrets final : public Secrets {
 public:
  MapSecrets() = default;
  // MapSecrets secrets{{"env:HF_TOKEN", "hf_..."}};
  MapSecrets(std::initializer_list<std::pair<const std::string, std::string>> values)
      : values_(values) {}

  // Sets, rotates or (with "") removes the value behind `ref`.
  void Set(std::string ref, std::string value) { values_[std::move(ref)] = std::move(value); }

  StatusOr<std::string> Resolve(std::string_view ref) override {
    if (!IsSecretRef(ref)) return InvalidArgument("not a secret reference (env:NAME, file:PATH)");
    const auto found = values_.find(ref);
    if (found == values_.end() || found->second.empty()) {
      return NotFound(Cat(ref, " is not set"));
    }
    mask_.Learn(found->second);
    return found->second;
  }
  void Learn(std::string_view value) override { mask_.Learn(value); }
  std::string Mask(std::string_view text) const override { return mask_.Mask(text); }

 private:
  std::map<std::string, std::string, std::less<>> values_;
  SecretMask mask_;
};

}  // namespace muster
