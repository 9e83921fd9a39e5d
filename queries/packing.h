// Packing: structs to bytes and back, for the disposable snapshots of read models.
//
// A struct lists its fields once:
//   template <class Archive, class Self>
//   static void Fields(Archive& a, Self& s) { a(s.name, s.count); }
// Equal values give equal bytes (hash maps are written in key order). There is no versioning of
// fields: a snapshot of another version is thrown away. Pure.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "eventstore/base/ids.h"
#include "eventstore/base/units.h"

namespace muster::queries {

// The finite times of the log fit in 64-bit nanoseconds (years 1678...2262).
inline std::int64_t PackTime(absl::Time time) {
  if (time == absl::InfinitePast()) return INT64_MIN;
  if (time == absl::InfiniteFuture()) return INT64_MAX;
  return absl::ToUnixNanos(time);
}
inline absl::Time UnpackTime(std::int64_t nanos) {
  if (nanos == INT64_MIN) return absl::InfinitePast();
  if (nanos == INT64_MAX) return absl::InfiniteFuture();
  return absl::FromUnixNanos(nanos);
}

class Packer {
 public:
  template <class... T>
  void operator()(const T&... values) {
    (Put(values), ...);
  }
  std::string Take() { return std::move(out_); }

 private:
  void PutVarint(std::uint64_t v) {
    for (; v >= 0x80; v >>= 7) out_ += static_cast<char>(v | 0x80);
    out_ += static_cast<char>(v);
  }
  template <class T>
  void Put(const T& v) {
    if constexpr (std::is_enum_v<T>) {
      PutVarint(static_cast<std::uint64_t>(v));
    } else if constexpr (std::is_integral_v<T>) {
      const auto wide = static_cast<std::int64_t>(v);
      PutVarint((static_cast<std::uint64_t>(wide) << 1) ^ static_cast<std::uint64_t>(wide >> 63));
    } else {
      T::Fields(*this, v);
    }
  }
  void Put(double v) {
    const auto bits = std::bit_cast<std::uint64_t>(v);
    for (int shift = 0; shift < 64; shift += 8) out_ += static_cast<char>(bits >> shift);
  }
  void Put(const std::string& v) {
    PutVarint(v.size());
    out_ += v;
  }
  template <class Tag>
  void Put(const Id<Tag>& v) {
    Put(v.str());
  }
  template <class Tag>
  void Put(const MicroUsdBase<Tag>& v) {
    Put(v.micros);
  }
  void Put(absl::Time v) { Put(PackTime(v)); }
  template <class A, class B>
  void Put(const std::pair<A, B>& v) {
    Put(v.first);
    Put(v.second);
  }
  template <class T>
  void Put(const std::optional<T>& v) {
    Put(v.has_value());
    if (v) Put(*v);
  }
  template <class T>
  void Put(const std::unique_ptr<T>& v) {
    Put(*v);
  }
  template <class T>
  void Put(const std::vector<T>& v) {
    PutAll(v);
  }
  template <class K, class V>
  void Put(const std::map<K, V>& v) {
    PutAll(v);
  }
  template <class K>
  void Put(const std::set<K>& v) {
    PutAll(v);
  }
  template <class K, class V>
  void Put(const absl::flat_hash_map<K, V>& v) {
    std::vector<const std::pair<const K, V>*> sorted;
    sorted.reserve(v.size());
    for (const auto& item : v) sorted.push_back(&item);
    std::sort(sorted.begin(), sorted.end(), [](auto* a, auto* b) { return a->first < b->first; });
    PutVarint(sorted.size());
    for (const auto* item : sorted) (*this)(item->first, item->second);
  }
  template <class C>
  void PutAll(const C& v) {
    PutVarint(v.size());
    for (const auto& item : v) Put(item);
  }

  std::string out_;
};

// After the first impossible byte every further read gives zeros, and ok() is false.
class Unpacker {
 public:
  explicit Unpacker(std::string_view in) : in_(in) {}
  template <class... T>
  void operator()(T&... values) {
    (Get(values), ...);
  }
  bool ok() const { return ok_; }
  bool done() const { return ok_ && in_.empty(); }

 private:
  std::uint64_t GetVarint() {
    std::uint64_t v = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (in_.empty()) break;
      const auto byte = static_cast<unsigned char>(in_.front());
      in_.remove_prefix(1);
      v |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return v;
    }
    ok_ = false;
    in_ = {};
    return 0;
  }
  // Each item takes at least a byte, so a damaged count cannot ask for more memory than that.
  std::size_t GetCount() {
    const std::uint64_t count = GetVarint();
    if (count <= in_.size()) return count;
    ok_ = false;
    in_ = {};
    return 0;
  }
  template <class T>
  void Get(T& v) {
    if constexpr (std::is_enum_v<T>) {
      v = static_cast<T>(GetVarint());
    } else if constexpr (std::is_integral_v<T>) {
      const std::uint64_t raw = GetVarint();
      v = static_cast<T>(static_cast<std::int64_t>(raw >> 1) ^ -static_cast<std::int64_t>(raw & 1));
    } else {
      T::Fields(*this, v);
    }
  }
  void Get(double& v) {
    std::uint64_t bits = 0;
    if (in_.size() < 8) {
      ok_ = false;
      in_ = {};
    } else {
      for (int i = 0; i < 8; ++i) {
        bits |= static_cast<std::uint64_t>(static_cast<unsigned char>(in_[i])) << (8 * i);
      }
      in_.remove_prefix(8);
    }
    v = std::bit_cast<double>(bits);
  }
  void Get(std::string& v) {
    const std::size_t size = GetCount();
    v.assign(in_.substr(0, size));
    in_.remove_prefix(size);
  }
  template <class Tag>
  void Get(Id<Tag>& v) {
    std::string text;
    Get(text);
    v = Id<Tag>(std::move(text));
  }
  template <class Tag>
  void Get(MicroUsdBase<Tag>& v) {
    Get(v.micros);
  }
  void Get(absl::Time& v) {
    std::int64_t nanos = 0;
    Get(nanos);
    v = UnpackTime(nanos);
  }
  template <class A, class B>
  void Get(std::pair<A, B>& v) {
    Get(v.first);
    Get(v.second);
  }
  template <class T>
  void Get(std::optional<T>& v) {
    bool present = false;
    Get(present);
    if (present) Get(v.emplace());
  }
  template <class T>
  void Get(std::unique_ptr<T>& v) {
    v = std::make_unique<T>();
    Get(*v);
  }
  template <class T>
  void Get(std::vector<T>& v) {
    v.clear();
    for (std::size_t n = GetCount(); n > 0 && ok_; --n) {
      v.emplace_back();
      Get(v.back());
    }
  }
  template <class K, class V>
  void Get(std::map<K, V>& v) {
    GetMap(v);
  }
  template <class K, class V>
  void Get(absl::flat_hash_map<K, V>& v) {
    GetMap(v);
  }
  template <class K>
  void Get(std::set<K>& v) {
    v.clear();
    for (std::size_t n = GetCount(); n > 0 && ok_; --n) {
      K key;
      Get(key);
      v.insert(std::move(key));
    }
  }
  template <class M>
  void GetMap(M& v) {
    v.clear();
    for (std::size_t n = GetCount(); n > 0 && ok_; --n) {
      typename M::key_type key;
      Get(key);
      Get(v[std::move(key)]);
    }
  }

  std::string_view in_;
  bool ok_ = true;
};

// Save and Load of a projection whose state is `self` with Fields. `layout` changes with the
// fields.
template <class T>
std::string PackModel(std::int64_t layout, const T& self) {
  Packer packer;
  packer(layout, self);
  return packer.Take();
}
template <class T>
bool UnpackModel(std::int64_t layout, std::string_view bytes, T& self) {
  Unpacker unpacker(bytes);
  std::int64_t found = 0;
  unpacker(found);
  if (!unpacker.ok() || found != layout) return false;
  unpacker(self);
  return unpacker.done();
}

}  // namespace muster::queries
