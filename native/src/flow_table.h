// The flow tables as the addon's threads read and write them while packets do: entries, places, and the options of
// calls.
#pragma once

#include <linux/types.h>
#include <napi.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "map.h"
#include "util.h"

// The layout of the tables, and the arithmetic of their entries, are the BPF program's own.
#include "flow_entry.h"
#include "hash.h"

namespace beeline {

using libbpf::Mapping;

constexpr size_t kStates = FLOW_STATE_MASK + 1;

inline uint64_t Load(const __u64* word) { return __atomic_load_n(word, __ATOMIC_ACQUIRE); }

inline bool Exchange(__u64* word, uint64_t before, uint64_t after) {
  __u64 expected = before;
  return __atomic_compare_exchange_n(word, &expected, after, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

// One table: either family's, as words.
struct Table {
  std::shared_ptr<Mapping::Region> region;
  __u64* words = nullptr;
  size_t entries = 0;
  size_t entry_words = 0;
  size_t ways = 0;

  bool is_ipv6() const { return entry_words == sizeof(flow6) / sizeof(__u64); }
  __u64* entry(size_t index) const { return words + index * entry_words; }
  __u64* data(size_t index) const { return entry(index) + entry_words - 1; }
  size_t buckets() const { return entries / ways; }
};

// The part of an entry that is not its data.
struct Key {
  uint64_t address[2];  // IPv4 in the first's lower half
  uint16_t port;        // as in the packet
  uint16_t service;
};

inline Key ReadKey(const Table& table, size_t index) {
  const __u64* words = table.entry(index);
  if (table.is_ipv6()) {
    const uint64_t rest = Load(words + 2);
    return {{Load(words), Load(words + 1)}, static_cast<uint16_t>(rest), static_cast<uint16_t>(rest >> 16)};
  }
  const uint64_t key = Load(words);
  return {{key & 0xffffffff, 0}, static_cast<uint16_t>(key >> 32), static_cast<uint16_t>(key >> 48)};
}

using Secret = std::array<__u64, HASH_SECRET_WORDS>;

// Spreads clients over the hash tables of this process: nobody can choose clients that fill one bucket.
inline const Secret& OwnSecret() {
  static const Secret secret = [] {
    std::random_device device;
    Secret words;
    for (auto& word : words) word = static_cast<__u64>(device()) << 32 | device();
    return words;
  }();
  return secret;
}

// Options of a call: an object's properties, each read once.
class Options {
 public:
  explicit Options(const Napi::CallbackInfo& info) : env_(info.Env()) {
    if (!info[0].IsObject()) libbpf::ThrowType(env_, "options must be an object");
    object_ = info[0].As<Napi::Object>();
  }

  bool Has(const char* name) const { return !object_.Get(name).IsUndefined(); }

  uint32_t Number(const char* name, uint32_t fallback = 0) const {
    const Napi::Value value = object_.Get(name);
    return value.IsUndefined() ? fallback
                               : static_cast<uint32_t>(libbpf::IntegerValue(env_, value, name, 0, UINT32_MAX));
  }

  template <typename Element>
  std::vector<Element> Array(const char* name) const {
    return ElementsOf<Element>(object_.Get(name), name);
  }

  template <typename Element>
  std::vector<Element> ElementsOf(Napi::Value value, const char* name) const {
    if (!value.IsTypedArray() || value.As<Napi::TypedArray>().ElementSize() != sizeof(Element)) {
      libbpf::ThrowType(
          env_, std::string(name) + " must be a typed array of " + std::to_string(sizeof(Element)) + "-byte elements");
    }
    const auto array = value.As<Napi::TypedArray>();
    const auto* bytes = static_cast<const uint8_t*>(array.ArrayBuffer().Data()) + array.ByteOffset();
    std::vector<Element> elements(array.ElementLength());
    std::memcpy(elements.data(), bytes, array.ByteLength());
    return elements;
  }

  // The secret of the program's hashes.
  Secret HashSecret(const char* name) const {
    const auto words = Array<uint64_t>(name);
    Secret secret;
    if (words.size() != secret.size()) {
      libbpf::ThrowType(env_, std::string(name) + " must have " + std::to_string(secret.size()) + " words");
    }
    std::copy(words.begin(), words.end(), secret.begin());
    return secret;
  }

  // The table of a name, as far as it is in use: its first entries, as many as its option says.
  Table FlowTable(const std::string& name, bool ipv6) const {
    Table table = WholeTable(name, ipv6);
    const size_t entries = Number((name + "Entries").c_str());
    if (entries > table.entries) libbpf::ThrowRange(env_, name + " has no " + std::to_string(entries) + " entries");
    table.entries = entries;
    return table;
  }

  Table WholeTable(const std::string& name, bool ipv6) const {
    const auto& payload = Mapping::WritableArgument(env_, object_.Get(name), name.c_str());
    const size_t bytes = ipv6 ? sizeof(flow6) : sizeof(flow4);
    return {payload.region, reinterpret_cast<__u64*>(payload.region->address), payload.visible_bytes / bytes,
            bytes / sizeof(__u64), static_cast<size_t>(ipv6 ? WAYS_IPV6 : WAYS_IPV4)};
  }

  Napi::Object object() const { return object_; }
  Napi::Env env() const { return env_; }

 private:
  Napi::Env env_;
  Napi::Object object_;
};

// Work in another thread whose result is a promise's.
class Work : public Napi::AsyncWorker {
 public:
  explicit Work(Napi::Env env) : Napi::AsyncWorker(env), deferred_(Napi::Promise::Deferred::New(env)) {}

  // Queues it; it deletes itself.
  Napi::Value Start() {
    const auto promise = deferred_.Promise();
    Queue();
    return promise;
  }

 protected:
  virtual Napi::Value Result(Napi::Env env) = 0;

  void OnOK() override { deferred_.Resolve(Result(Env())); }
  void OnError(const Napi::Error& error) override { deferred_.Reject(error.Value()); }

 private:
  Napi::Promise::Deferred deferred_;
};

template <typename Array, typename Element>
Array ToArray(Napi::Env env, const std::vector<Element>& elements) {
  auto array = Array::New(env, elements.size());
  if (!elements.empty()) std::memcpy(array.Data(), elements.data(), elements.size() * sizeof(Element));
  return array;
}

inline bool Has(const std::vector<uint8_t>& flags, uint32_t number) {
  return number < flags.size() && flags[number] != 0;
}

// A hash's two buckets in an extent, as the program finds them (bpf/flow_lookup.h).
class Places {
 public:
  Places(const Table& table, const __u64* key, const Secret& secret)
      : hashes_{table.is_ipv6() ? flow6_hash(key[0], key[1], key[2], secret.data()) : flow4_hash(key[0], secret.data()),
                0},
        ways_(table.ways) {
    hashes_[1] = flow_second_hash(hashes_[0]);
  }

  // The index of a bucket's first entry.
  size_t Bucket(size_t place, uint64_t extent) const { return (hashes_[place] >> 32 & extent) * ways_; }

  // An entry of it; the first of all is the preferred one.
  size_t Entry(size_t place, uint64_t extent, size_t i) const {
    return Bucket(place, extent) + (preferred_way(hashes_[place], ways_) + i) % ways_;
  }

 private:
  std::array<uint64_t, 2> hashes_;
  size_t ways_;
};

using Entry = std::array<__u64, sizeof(flow6) / sizeof(__u64)>;

// Reads an entry whole: its data was the same before its key was read and after. False when a packet changed it.
inline bool ReadEntry(const Table& table, size_t index, Entry& entry, uint64_t data) {
  std::copy_n(table.entry(index), table.entry_words - 1, entry.data());
  __atomic_thread_fence(__ATOMIC_ACQUIRE);
  return Load(table.data(index)) == data;
}

enum class Placed { kPlaced, kThere, kNoRoom };

// Where flows belong in an extent of a table, and how they come there while packets use it.
class Placer {
 public:
  Placer(Table table, const Secret& secret) : table_(std::move(table)), secret_(secret) {}

  // Whether a bucket, by the index of its first entry, is one of the two of an entry.
  bool Belongs(const Entry& entry, uint64_t extent, size_t bucket) const {
    const Places places(table_, entry.data(), secret_);
    return places.Bucket(0, extent) == bucket || places.Bucket(1, extent) == bucket;
  }

  // Stores an entry in one of its buckets, unless its flow is there. `at` is its index.
  Placed Place(const Entry& entry, uint64_t extent, uint64_t data, size_t* at) const {
    const Places places(table_, entry.data(), secret_);
    for (size_t place = 0; place < 2; ++place) {
      for (size_t i = 0; i < table_.ways; ++i) {
        *at = places.Entry(place, extent, i);
        if (IsSame(entry, data, *at)) return Placed::kThere;
      }
    }
    // As vacant_entry() in bpf/flow_store.h chooses: the first bucket while that has several free entries.
    const size_t first = Free(places, 0, extent), second = Free(places, 1, extent);
    if (StoreIn(places, first <= table_.ways / 4 && second > first ? 1 : 0, extent, entry, data, at)) {
      return Placed::kPlaced;
    }
    for (size_t place = 0; place < 2; ++place) {
      if (MakeRoom(places.Bucket(place, extent), extent) && StoreIn(places, place, extent, entry, data, at)) {
        return Placed::kPlaced;
      }
    }
    return Placed::kNoRoom;
  }

  // Frees the entry of a flow that stands in another one too, both with this data. A packet that found the flow before
  // it was there changes it here: it is changed there too, unless a later packet was faster.
  void Leave(size_t from, size_t to, uint64_t data) const {
    while (!Exchange(table_.data(from), data, 0)) {
      const uint64_t now = Load(table_.data(from));
      Exchange(table_.data(to), data, now);
      data = now;
    }
  }

  const Table& table() const { return table_; }

 private:
  bool IsSame(const Entry& entry, uint64_t data, size_t index) const {
    const uint64_t there = Load(table_.data(index));
    return is_live(flow_state(there)) &&
           std::equal(entry.data(), entry.data() + table_.entry_words - 1, table_.entry(index)) &&
           flow_port(there) == flow_port(data) && is_template(flow_state(there)) == is_template(flow_state(data));
  }

  size_t Free(const Places& places, size_t place, uint64_t extent) const {
    size_t free = 0;
    for (size_t i = 0; i < table_.ways; ++i) {
      free += flow_state(Load(table_.data(places.Entry(place, extent, i)))) == FLOW_FREE;
    }
    return free;
  }

  // False when the bucket has no free entry.
  bool StoreIn(const Places& places, size_t place, uint64_t extent, const Entry& entry, uint64_t data,
               size_t* at) const {
    for (size_t i = 0; i < table_.ways; ++i) {
      *at = places.Entry(place, extent, i);
      if (!Exchange(table_.data(*at), 0, FLOW_DATA_BUSY)) continue;
      std::copy_n(entry.data(), table_.entry_words - 1, table_.entry(*at));
      __atomic_store_n(table_.data(*at), data, __ATOMIC_RELEASE);
      return true;
    }
    return false;
  }

  // Moves one flow from a bucket that is its first to its second: packets look in that order.
  bool MakeRoom(size_t bucket, uint64_t extent) const {
    Entry entry;
    for (size_t from = bucket; from < bucket + table_.ways; ++from) {
      const uint64_t data = Load(table_.data(from));
      if (!is_live(flow_state(data)) || !ReadEntry(table_, from, entry, data)) continue;
      const Places places(table_, entry.data(), secret_);
      size_t to;
      if (places.Bucket(0, extent) != bucket || places.Bucket(1, extent) == bucket ||
          !StoreIn(places, 1, extent, entry, data, &to)) {
        continue;
      }
      Leave(from, to, data);
      return true;
    }
    return false;
  }

  Table table_;
  Secret secret_;
};

// Begins work of a kind with the options of a call.
template <typename Kind>
Napi::Value Start(const Napi::CallbackInfo& info) {
  return (new Kind(Options(info)))->Start();
}

}  // namespace beeline
