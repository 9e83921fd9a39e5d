// One list of fields per struct serves writing and reading. It is taken by a structured binding,
// so that a field that is added to a struct but forgotten here does not compile.
#include "commands/snapshot.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <type_traits>
#include <variant>

#include "eventstore/base/sha256.h"
#include "eventstore/events/values.h"

namespace muster {
namespace {

template <class T>
concept ProtoMessage = std::is_base_of_v<google::protobuf::Message, T>;

constexpr std::int64_t kPast = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t kFuture = std::numeric_limits<std::int64_t>::max();

// Appends to bytes.
class Writer {
 public:
  static constexpr bool kReads = false;
  std::string bytes;

  void Number(std::uint64_t v) {
    for (; v >= 128; v >>= 7) bytes += static_cast<char>(v | 128);
    bytes += static_cast<char>(v);
  }
  void Text(std::string_view text) {
    Number(text.size());
    bytes += text;
  }
};

// Takes from bytes. After the first thing amiss it gives zeros and stays not ok.
class Reader {
 public:
  static constexpr bool kReads = true;
  explicit Reader(std::string_view bytes) : rest_(bytes) {}

  bool ok() const { return ok_; }
  bool at_end() const { return rest_.empty(); }
  std::uint64_t Number() {
    std::uint64_t v = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (rest_.empty()) return Fail();
      const auto byte = static_cast<std::uint8_t>(rest_.front());
      rest_.remove_prefix(1);
      v |= static_cast<std::uint64_t>(byte & 127) << shift;
      if (byte < 128) return v;
    }
    return Fail();
  }
  std::string_view Text() {
    const std::uint64_t size = Number();
    if (size > rest_.size()) return Fail(), std::string_view();
    const std::string_view text = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return text;
  }
  // A count of things of at least one byte each.
  std::size_t Count() {
    const std::uint64_t count = Number();
    return count > rest_.size() ? Fail() : count;
  }
  std::uint64_t Fail() {
    ok_ = false;
    rest_ = {};
    return 0;
  }

 private:
  std::string_view rest_;
  bool ok_ = true;
};

std::uint64_t ZigZag(std::int64_t v) {
  return (static_cast<std::uint64_t>(v) << 1) ^ static_cast<std::uint64_t>(v >> 63);
}
std::int64_t UnZigZag(std::uint64_t v) {
  return static_cast<std::int64_t>(v >> 1) ^ -static_cast<std::int64_t>(v & 1);
}

// ---- values -----------------------------------------------------------------------------------

template <class Ar, class T>
  requires(std::is_integral_v<T> || std::is_enum_v<T>)
void Io(Ar& ar, T& v) {
  if constexpr (Ar::kReads) {
    v = static_cast<T>(UnZigZag(ar.Number()));
  } else {
    ar.Number(ZigZag(static_cast<std::int64_t>(v)));
  }
}
template <class Ar>
void Io(Ar& ar, double& v) {
  auto bits = std::bit_cast<std::int64_t>(v);
  Io(ar, bits);
  if constexpr (Ar::kReads) v = std::bit_cast<double>(bits);
}
template <class Ar>
void Io(Ar& ar, std::string& v) {
  if constexpr (Ar::kReads) {
    v = std::string(ar.Text());
  } else {
    ar.Text(v);
  }
}
template <class Ar, class Tag>
void Io(Ar& ar, Id<Tag>& v) {
  if constexpr (Ar::kReads) {
    v = Id<Tag>(ar.Text());
  } else {
    ar.Text(v.str());
  }
}
template <class Ar, class Tag>
void Io(Ar& ar, MicroUsdBase<Tag>& v) {
  Io(ar, v.micros);
}
template <class Ar>
void Io(Ar& ar, absl::Time& v) {
  std::int64_t micros = v == absl::InfinitePast()     ? kPast
                        : v == absl::InfiniteFuture() ? kFuture
                                                      : absl::ToUnixMicros(v);
  Io(ar, micros);
  if constexpr (Ar::kReads) {
    v = micros == kPast     ? absl::InfinitePast()
        : micros == kFuture ? absl::InfiniteFuture()
                            : absl::FromUnixMicros(micros);
  }
}
template <class Ar>
void Io(Ar& ar, absl::Duration& v) {
  std::int64_t micros = absl::ToInt64Microseconds(v);
  Io(ar, micros);
  if constexpr (Ar::kReads) v = absl::Microseconds(micros);
}
template <class Ar, ProtoMessage T>
void Io(Ar& ar, T& v) {
  if constexpr (Ar::kReads) {
    const std::string_view bytes = ar.Text();
    if (!v.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) ar.Fail();
  } else {
    ar.Text(Deterministic(v));
  }
}

// ---- containers -------------------------------------------------------------------------------

template <class Ar, class A, class B>
void Io(Ar& ar, std::pair<A, B>& v);
template <class Ar, class T>
void Io(Ar& ar, std::optional<T>& v);
template <class Ar, class T>
void Io(Ar& ar, std::vector<T>& v);
template <class Ar, class T, std::size_t N>
void Io(Ar& ar, std::array<T, N>& v);
template <class Ar, class T>
void Io(Ar& ar, std::set<T>& v);
template <class Ar, class K, class V>
void Io(Ar& ar, std::map<K, V>& v);
template <class Ar, class K, class V>
void Io(Ar& ar, std::multimap<K, V>& v);
template <class Ar, class K, class V>
void Io(Ar& ar, absl::flat_hash_map<K, V>& v);

template <class Ar, class... Fields>
void All(Ar& ar, Fields&... fields) {
  (Io(ar, fields), ...);
}

// ---- structs ----------------------------------------------------------------------------------

template <class Ar>
void Io(Ar& ar, Stamp& v) {
  auto& [a, b] = v;
  All(ar, a, b);
}
template <class Ar>
void Io(Ar& ar, Offer& v) {
  auto& [a, b, c, d, e, f, g, h, i, j, k, l, m] = v;
  All(ar, a, b, c, d, e, f, g, h, i, j, k, l, m);
}
template <class Ar>
void Io(Ar& ar, worker::Offered& v) {
  auto& [a, b, c, d, e, f] = v;
  All(ar, a, b, c, d, e, f);
}
template <class Ar>
void Io(Ar& ar, worker::Identity& v) {
  auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n] = v;
  All(ar, a, b, c, d, e, f, g, h, i, j, k, l, m, n);
}
template <class Ar>
void Io(Ar&, worker::NonExistent&) {}
template <class Ar>
void Io(Ar& ar, worker::Launching& v) {
  auto& [a, b, c, d] = v;
  All(ar, a, b, c, d);
}
template <class Ar>
void Io(Ar& ar, worker::Observed& v) {
  auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, w, x, y, z, a1, b1, c1, d1,
         e1, f1, g1, h1, i1, j1, k1, l1, m1, n1, o1, p1, q1] = v;
  All(ar, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, w, x, y, z, a1, b1, c1, d1,
      e1, f1, g1, h1, i1, j1, k1, l1, m1, n1, o1, p1, q1);
}
template <class Ar>
void Io(Ar& ar, worker::Live& v) {
  auto& [a, b, c, d, e, f, g] = v;
  All(ar, a, b, c, d, e, f, g);
}
template <class Ar>
void Io(Ar& ar, worker::Destroying& v) {
  auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n] = v;
  All(ar, a, b, c, d, e, f, g, h, i, j, k, l, m, n);
}
template <class Ar>
void Io(Ar& ar, worker::Ended& v) {
  auto& [a, b, c, d, e, f, g, h] = v;
  All(ar, a, b, c, d, e, f, g, h);
}
template <class Ar>
void Io(Ar& ar, worker::Phase& v) {
  std::size_t index = v.index();
  Io(ar, index);
  if constexpr (Ar::kReads) {
    switch (index) {
      case 0:
        v = worker::NonExistent{};
        break;
      case 1:
        v = worker::Launching{};
        break;
      case 2:
        v = worker::Live{};
        break;
      case 3:
        v = worker::Destroying{};
        break;
      case 4:
        v = worker::Ended{};
        break;
      default:
        ar.Fail();
        break;
    }
  }
  std::visit([&](auto& phase) { Io(ar, phase); }, v);
}
template <class Ar>
void Io(Ar& ar, worker::State& v) {
  auto& [a, b, c, d, e, f, g, h, i] = v;
  All(ar, a, b, c, d, e, f, g, h, i);
}
template <class Ar>
void Io(Ar& ar, std::unique_ptr<worker::State>& v) {
  if constexpr (Ar::kReads) v = std::make_unique<worker::State>();
  Io(ar, *v);
}
template <class Ar>
void Io(Ar& ar, fleet::CheckResult& v) {
  auto& [a, b, c] = v;
  All(ar, a, b, c);
}
template <class Ar>
void Io(Ar& ar, fleet::LaunchFailures& v) {
  auto& [a, b, c] = v;
  All(ar, a, b, c);
}
template <class Ar>
void Io(Ar& ar, fleet::State& v) {
  auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, w, x] = v;
  All(ar, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, w, x);
}
template <class Ar>
void Io(Ar& ar, host::Strike& v) {
  auto& [a, b, c, d, e] = v;
  All(ar, a, b, c, d, e);
}
template <class Ar>
void Io(Ar& ar, host::Measured& v) {
  auto& [a, b, c, d, e, f, g] = v;
  All(ar, a, b, c, d, e, f, g);
}
template <class Ar>
void Io(Ar& ar, host::State& v) {
  auto& [a, b, c, d, e, f, g, h, i] = v;
  All(ar, a, b, c, d, e, f, g, h, i);
}
template <class Ar>
void Io(Ar& ar, account::Ongoing& v) {
  auto& [a, b, c, d] = v;
  All(ar, a, b, c, d);
}
template <class Ar>
void Io(Ar& ar, account::Orphan& v) {
  auto& [a, b, c, d, e, f, g, h] = v;
  All(ar, a, b, c, d, e, f, g, h);
}
template <class Ar>
void Io(Ar& ar, account::State& v) {
  auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r] = v;
  All(ar, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r);
}
template <class Ar>
void Io(Ar& ar, shadow::Entry& v) {
  auto& [a, b, c, d] = v;
  All(ar, a, b, c, d);
}
template <class Ar>
void Io(Ar& ar, shadow::Example& v) {
  auto& [a, b, c, d] = v;
  All(ar, a, b, c, d);
}
template <class Ar>
void Io(Ar& ar, shadow::RuleCount& v) {
  auto& [a, b] = v;
  All(ar, a, b);
}
template <class Ar>
void Io(Ar& ar, shadow::State& v) {
  auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, w, x, y, z, a1] = v;
  All(ar, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, w, x, y, z, a1);
}
template <class Ar>
void Io(Ar& ar, server::StepState& v) {
  auto& [a, b, c, d, e, f, g] = v;
  All(ar, a, b, c, d, e, f, g);
}
template <class Ar>
void Io(Ar& ar, server::State& v) {
  auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, w, x, y, z, a1, b1, c1, d1,
         e1, f1, g1, h1, i1, j1, k1, l1, m1, n1, o1, p1, q1, r1] = v;
  All(ar, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, w, x, y, z, a1, b1, c1, d1,
      e1, f1, g1, h1, i1, j1, k1, l1, m1, n1, o1, p1, q1, r1);
}
template <class Ar>
void Io(Ar& ar, World& v) {
  auto& [a, b, c, d, e, f, g, h, i, j, k, l, m] = v;
  All(ar, a, b, c, d, e, f, g, h, i, j, k, l, m);
}

// ---- containers, the bodies -------------------------------------------------------------------

template <class Ar, class A, class B>
void Io(Ar& ar, std::pair<A, B>& v) {
  All(ar, v.first, v.second);
}
template <class Ar, class T>
void Io(Ar& ar, std::optional<T>& v) {
  bool has = v.has_value();
  Io(ar, has);
  if constexpr (Ar::kReads) v = has ? std::optional<T>(T{}) : std::nullopt;
  if (v.has_value()) Io(ar, *v);
}

// Reads `count` elements, handing each to `add`.
template <class T, class Add>
void ReadMany(Reader& ar, Add add) {
  for (std::size_t left = ar.Count(); left > 0 && ar.ok(); --left) {
    T element{};
    Io(ar, element);
    add(std::move(element));
  }
}
template <class T>
void WriteOne(Writer& ar, const T& element) {
  Io(ar, const_cast<T&>(element));  // a Writer only looks
}
template <class Range>
void WriteMany(Writer& ar, const Range& range) {
  ar.Number(range.size());
  for (const auto& element : range) WriteOne(ar, element);
}

template <class Ar, class T>
void Io(Ar& ar, std::vector<T>& v) {
  if constexpr (Ar::kReads) {
    ReadMany<T>(ar, [&](T&& element) { v.push_back(std::move(element)); });
  } else {
    WriteMany(ar, v);
  }
}
template <class Ar, class T, std::size_t N>
void Io(Ar& ar, std::array<T, N>& v) {
  for (T& element : v) Io(ar, element);
}
template <class Ar, class T>
void Io(Ar& ar, std::set<T>& v) {
  if constexpr (Ar::kReads) {
    ReadMany<T>(ar, [&](T&& element) { v.insert(v.end(), std::move(element)); });
  } else {
    WriteMany(ar, v);
  }
}
template <class Ar, class Map>
void IoMap(Ar& ar, Map& v) {
  using Entry = std::pair<typename Map::key_type, typename Map::mapped_type>;
  if constexpr (Ar::kReads) {
    ReadMany<Entry>(ar, [&](Entry&& entry) { v.insert(std::move(entry)); });
  } else {
    ar.Number(v.size());
    for (const auto& [key, value] : v) {
      WriteOne(ar, key);
      WriteOne(ar, value);
    }
  }
}
template <class Ar, class K, class V>
void Io(Ar& ar, std::map<K, V>& v) {
  IoMap(ar, v);
}
template <class Ar, class K, class V>
void Io(Ar& ar, std::multimap<K, V>& v) {
  IoMap(ar, v);
}
template <class Ar, class K, class V>
void Io(Ar& ar, absl::flat_hash_map<K, V>& v) {
  if constexpr (Ar::kReads) {
    IoMap(ar, v);
  } else {
    std::vector<const std::pair<const K, V>*> sorted;
    sorted.reserve(v.size());
    for (const auto& entry : v) sorted.push_back(&entry);
    std::sort(sorted.begin(), sorted.end(),
              [](const auto* a, const auto* b) { return a->first < b->first; });
    ar.Number(sorted.size());
    for (const auto* entry : sorted) {
      WriteOne(ar, entry->first);
      WriteOne(ar, entry->second);
    }
  }
}

}  // namespace

std::string SerializeWorld(const World& world) {
  Writer writer;
  WriteOne(writer, world);
  return std::move(writer.bytes);
}

StatusOr<World> ParseWorld(std::string_view bytes) {
  Reader reader(bytes);
  World world;
  Io(reader, world);
  if (!reader.ok() || !reader.at_end()) return DataLoss("not the bytes of a World");
  return world;
}

std::string Digest(const World& world) { return Sha256Hex(SerializeWorld(world)); }

}  // namespace muster
