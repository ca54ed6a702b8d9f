#include "hand_over.h"

#include <bit>
#include <cmath>
#include <span>

#include "flow_table.h"

namespace beeline {
namespace {

// A flow as directors tell it to each other, behind the client's address; little-endian, as the tables are.
struct Record {
  uint16_t client_port;  // both ports as in the packet
  uint16_t port;
  uint16_t service;  // the sender's numbers
  uint8_t state;
  uint8_t zero;
  uint32_t number;
  uint32_t age;  // in the sender's units
};
static_assert(sizeof(Record) == 16);

// Clocks of two directors, and the time on the way, may differ by so many units: by less, neither packet was the later.
constexpr uint32_t kSlack = 2;
constexpr uint32_t kMostAge = FLOW_TIME_MASK >> 1;

constexpr uint32_t kValidStates = 1U << FLOW_SYN_RECV | 1U << FLOW_UNCONFIRMED | 1U << FLOW_UDP_NEW |
                                  1U << FLOW_TEMPLATE_NEW | 1U << FLOW_UDP | 1U << FLOW_ESTABLISHED |
                                  1U << FLOW_TEMPLATE | 1U << FLOW_CLOSE | 1U << FLOW_TIME_WAIT | 1U << FLOW_FIN_WAIT |
                                  1U << FLOW_UDP_LASTING | 1U << FLOW_ESTABLISHED_LASTING | 1U << FLOW_TEMPLATE_LASTING;

// How far a flow has come in each state: of two states at the same time, the one that is further was the later.
constexpr uint64_t Rank(uint64_t rank, uint32_t state) { return rank << 4 * state; }
constexpr uint64_t kProgress =
    Rank(1, FLOW_SYN_RECV) | Rank(2, FLOW_UNCONFIRMED) | Rank(3, FLOW_ESTABLISHED) | Rank(4, FLOW_ESTABLISHED_LASTING) |
    Rank(5, FLOW_FIN_WAIT) | Rank(6, FLOW_TIME_WAIT) | Rank(7, FLOW_CLOSE) | Rank(1, FLOW_UDP_NEW) | Rank(2, FLOW_UDP) |
    Rank(3, FLOW_UDP_LASTING) | Rank(1, FLOW_TEMPLATE_NEW) | Rank(2, FLOW_TEMPLATE) | Rank(3, FLOW_TEMPLATE_LASTING);

uint32_t Progress(uint32_t state) { return kProgress >> 4 * state & 15; }

// A known entry as one word: its time and state where its data has them, whether the peer told it, and a fingerprint.
constexpr uint64_t kToldBit = 1ULL << 28;
constexpr int kFingerprintShift = 29;

uint64_t KnownWord(const Table& table, const Entry& entry, uint64_t data, bool told) {
  const uint64_t rest = table.is_ipv6() ? entry[2] : 0, address = table.is_ipv6() ? entry[1] : 0;
  const uint64_t fingerprint =
      flow6_hash(entry[0], address, rest ^ data >> FLOW_NUMBER_SHIFT << 24, OwnSecret().data());
  return fingerprint << kFingerprintShift | (told ? kToldBit : 0) | (data & ((1ULL << FLOW_NUMBER_SHIFT) - 1));
}

// Whether two words are the same but for their times, and for who told it.
bool IsSameFlow(uint64_t one, uint64_t other) { return ((one ^ other) & ~(kToldBit | FLOW_TIME_MASK)) == 0; }

// Some known words, to be found again.
class Words {
 public:
  explicit Words(const std::vector<uint64_t>& all) {
    size_t count = 1;
    for (const uint64_t word : all) count += word != 0;
    slots_.resize(std::bit_ceil(2 * count));
    for (const uint64_t word : all) {
      if (word != 0) *Slot(word) = word;
    }
  }

  // Returns the word that differs at most in who told it; 0: there is none.
  uint64_t Find(uint64_t word) { return *Slot(word); }

 private:
  uint64_t* Slot(uint64_t word) {
    for (size_t at = word >> kFingerprintShift;; ++at) {
      uint64_t& slot = slots_[at & (slots_.size() - 1)];
      if (slot == 0 || ((slot ^ word) & ~kToldBit) == 0) return &slot;
    }
  }

  std::vector<uint64_t> slots_;
};

// What the peer knows, by entry of a family's table: 0 where it knows nothing. Calls with it never overlap.
class Known {
 public:
  uint64_t& At(const Table& table, size_t index) {
    auto& all = words_[table.is_ipv6()];
    if (all.size() <= index) all.resize(std::max(index + 1, 2 * all.size()));
    return all[index];
  }

  // After flows were moved to other entries, what is known of them is found there: else all would be told again.
  void Follow(const Table& table, uint64_t extents) {
    const size_t family = table.is_ipv6();
    const uint64_t before = std::exchange(extents_[family], extents);
    if (before == extents || before == 0) return;
    Words known(words_[family]);
    const size_t buckets = std::max(extents & UINT32_MAX, extents >> 32) + 1;
    const size_t entries = std::min(buckets * table.ways, table.entries);
    auto& all = words_[family];
    all.assign(entries, 0);
    Entry entry{};
    for (size_t i = 0; i < entries; ++i) {
      const uint64_t data = Load(table.data(i));
      if (is_live(flow_state(data)) && ReadEntry(table, i, entry, data)) {
        all[i] = known.Find(KnownWord(table, entry, data, false));
      }
    }
  }

 private:
  std::vector<uint64_t> words_[2];
  uint64_t extents_[2] = {};
};

using KnownHandle = Napi::External<std::shared_ptr<Known>>;

Napi::Value NewKnown(const Napi::CallbackInfo& info) {
  return KnownHandle::New(info.Env(), new std::shared_ptr<Known>(std::make_shared<Known>()),
                          [](Napi::Env, std::shared_ptr<Known>* handle) { delete handle; });
}

std::shared_ptr<Known> KnownOf(const Options& options) {
  const Napi::Value value = options.object().Get("known");
  if (!value.IsExternal()) libbpf::ThrowType(options.env(), "known must be what newKnownFlows() returned");
  return *value.As<KnownHandle>().Data();
}

// The extents of a table (struct control), which packets may change at any time.
class Extents {
 public:
  explicit Extents(const Options& options) {
    const auto& control = Mapping::WritableArgument(options.env(), options.object().Get("control"), "control");
    const size_t offset = options.Number("offset");
    if (offset % sizeof(__u64) != 0 || offset + sizeof(__u64) > control.visible_bytes) {
      libbpf::ThrowRange(options.env(), "offset is not that of a word of control");
    }
    region_ = control.region;
    word_ = reinterpret_cast<__u64*>(control.region->address + offset);
  }

  uint64_t word() const { return Load(word_); }

 private:
  std::shared_ptr<Mapping::Region> region_;
  __u64* word_;
};

// Finds what the peer does not know: flows that are new to it, whose state is another, or whose last packet is so much
// later that it would forget them too early. With `all`, every flow.
class Collect : public Work {
 public:
  explicit Collect(const Options& options)
      : Work(options.env()),
        known_(KnownOf(options)),
        table_(options.WholeTable("flows", options.Number("family") == 6)),
        extents_(options),
        services_(options.Array<uint8_t>("services")),
        refresh_(options.Array<uint32_t>("refresh")),
        now_(options.Number("now")),
        next_(options.Number("from")),
        limit_(options.Number("limit")),
        all_(options.Number("all") != 0) {}

 protected:
  void Execute() override {
    const size_t client = table_.is_ipv6() ? 16 : 4;
    const uint64_t extents = extents_.word();
    const size_t buckets = std::max(extents & UINT32_MAX, extents >> 32) + 1;
    table_.entries = std::min(table_.entries, buckets * table_.ways);
    known_->Follow(table_, extents);
    Entry entry{};
    for (; next_ < table_.entries && count_ < limit_; ++next_) {
      const uint64_t data = Load(table_.data(next_));
      if (!is_live(flow_state(data)) || flow_number(data) == 0) continue;
      const Key key = ReadKey(table_, next_);
      if (!Has(services_, key.service) || !ReadEntry(table_, next_, entry, data)) continue;
      uint64_t& known = known_->At(table_, next_);
      const uint64_t word = KnownWord(table_, entry, data, false);
      if (!all_ && !IsNews(known, word, key.service, data)) continue;
      known = word;
      const Record record = {key.port, flow_port(data),   key.service,         static_cast<uint8_t>(flow_state(data)),
                             0,        flow_number(data), flow_age(data, now_)};
      const size_t at = records_.size();
      records_.resize(at + client + sizeof record);
      std::memcpy(&records_[at], key.address, client);
      std::memcpy(&records_[at + client], &record, sizeof record);
      count_++;
    }
  }

  Napi::Value Result(Napi::Env env) override {
    auto result = Napi::Object::New(env);
    result["records"] = ToArray<Napi::Uint8Array>(env, records_);
    result["count"] = count_;
    if (next_ < table_.entries) result["next"] = next_;
    return result;
  }

 private:
  bool IsNews(uint64_t known, uint64_t word, uint16_t service, uint64_t data) const {
    if (known == 0 || !IsSameFlow(known, word)) return true;
    if (((known ^ word) & FLOW_TIME_MASK) == 0) return false;
    const size_t index = service * kStates + flow_state(data);
    return flow_age(known, now_) > (index < refresh_.size() ? refresh_[index] : 0);
  }

  std::shared_ptr<Known> known_;
  Table table_;
  Extents extents_;
  std::vector<uint8_t> services_;
  std::vector<uint32_t> refresh_;  // by service and state, after how many units a flow's time is told again
  uint32_t now_;
  uint32_t next_;
  uint32_t limit_;
  bool all_;
  uint32_t count_ = 0;
  std::vector<uint8_t> records_;
};

// Finds flows wherever they can stand, as find_moving_in() and find_within() of bpf/flow_lookup.h do.
class Finder {
 public:
  Finder(const Table& table, const Secret& secret) : table_(table), secret_(secret) {}

  // Calls `visit` with the index of each entry of a flow, until it returns true. Returns whether it did.
  template <typename Visit>
  bool Each(const Entry& entry, uint64_t data, uint64_t extents, Visit visit) const {
    constexpr int kSpareHashes = 3;  // SPARE_HASHES
    const uint64_t hash = table_.is_ipv6() ? flow6_hash(entry[0], entry[1], entry[2], secret_.data())
                                           : flow4_hash(entry[0], secret_.data());
    const uint64_t present = extents & UINT32_MAX, former = extents >> 32;
    const auto both = [&](uint64_t first, uint64_t forced, uint64_t extent) {
      const uint64_t second = flow_second_hash(first) | forced;
      if (InBucket(entry, data, first >> 32 & extent, visit)) return true;
      return (second >> 32 & extent) != (first >> 32 & extent) && InBucket(entry, data, second >> 32 & extent, visit);
    };
    if (present != former) {
      if (both(hash, 0, former)) return true;
      const uint64_t forced = (present - (present >> 1)) << 32;
      uint64_t spare = hash;
      for (int i = 0; i < kSpareHashes; ++i) {
        spare = flow_second_hash(flow_second_hash(spare)) | forced;
        if (both(spare, forced, present)) return true;
      }
    }
    return both(hash, 0, present);
  }

 private:
  template <typename Visit>
  bool InBucket(const Entry& entry, uint64_t data, uint64_t bucket, Visit visit) const {
    if (bucket >= table_.buckets()) return false;
    for (size_t index = bucket * table_.ways; index < (bucket + 1) * table_.ways; ++index) {
      const uint64_t there = Load(table_.data(index));
      if (is_live(flow_state(there)) &&
          std::equal(entry.data(), entry.data() + table_.entry_words - 1, table_.entry(index)) &&
          flow_port(there) == flow_port(data) && is_template(flow_state(there)) == is_template(flow_state(data)) &&
          visit(index, there)) {
        return true;
      }
    }
    return false;
  }

  const Table& table_;
  const Secret& secret_;
};

// Counts flows with their destinations, as count_flow() of bpf/load.h does.
class Loads {
 public:
  explicit Loads(const Options& options) {
    const auto& loads = Mapping::WritableArgument(options.env(), options.object().Get("loads"), "loads");
    region_ = loads.region;
    loads_ = {reinterpret_cast<load*>(loads.region->address), loads.visible_bytes / sizeof(load)};
  }

  size_t size() const { return loads_.size(); }

  void Count(uint64_t data, int32_t change) const {
    const uint32_t number = flow_number(data);
    if (number == 0 || number >= loads_.size()) return;
    load& each = loads_[number];
    __atomic_fetch_add(&each.flows[flow_class(flow_state(data))], change, __ATOMIC_RELAXED);
    if (change > 0 && each.upper && each.flows[FLOW_ACTIVE] + each.flows[FLOW_INACTIVE] >= each.upper) {
      __atomic_store_n(&each.overload, 1, __ATOMIC_RELAXED);
    }
  }

 private:
  std::shared_ptr<Mapping::Region> region_;
  std::span<load> loads_;
};

// Takes flows over that a peer tells of. Of a flow that is here already, the later packet counts: an entry that packets
// came for since the peer told of it is changed only where the peer saw a later one.
class Take : public Work {
 public:
  explicit Take(const Options& options)
      : Work(options.env()),
        known_(KnownOf(options)),
        placer_(options.WholeTable("flows", options.Number("family") == 6), options.HashSecret("secret")),
        secret_(options.HashSecret("secret")),
        extents_(options),
        loads_(options),
        records_(options.Array<uint8_t>("records")),
        services_(options.Array<uint32_t>("services")),
        service_groups_(options.Array<uint32_t>("serviceGroups")),
        numbers_(options.Array<uint32_t>("numbers")),
        groups_(options.Array<uint32_t>("groups")),
        now_(options.Number("now")),
        room_(options.Number("room")),
        ratio_(options.object().Get("ratio").ToNumber().DoubleValue()) {
    if (records_.size() % RecordBytes() != 0) libbpf::ThrowRange(options.env(), "records are not whole");
    if (!(ratio_ > 0)) libbpf::ThrowRange(options.env(), "ratio must be above 0");
  }

 protected:
  void Execute() override {
    known_->Follow(table(), extents_.word());
    for (size_t at = 0; at < records_.size(); at += RecordBytes()) TakeRecord(&records_[at]);
  }

  Napi::Value Result(Napi::Env env) override {
    auto result = Napi::Object::New(env);
    result["added"] = placed_.size();
    result["changed"] = changed_;
    result["kept"] = kept_;
    result["unknown"] = unknown_;
    result["noRoom"] = no_room_;
    result["wrong"] = wrong_;
    result["placed"] = ToArray<Napi::Uint32Array>(env, placed_);
    return result;
  }

 private:
  const Table& table() const { return placer_.table(); }
  size_t ClientBytes() const { return table().is_ipv6() ? 16 : 4; }
  size_t RecordBytes() const { return ClientBytes() + sizeof(Record); }

  void TakeRecord(const uint8_t* bytes) {
    Record record;
    std::memcpy(&record, bytes + ClientBytes(), sizeof record);
    const bool whole = record.state < kStates && kValidStates >> record.state & 1 && record.zero == 0 &&
                       (!is_template(record.state) || (record.port == 0 && record.client_port == 0));
    if (!whole) {
      wrong_++;
      return;
    }
    const uint32_t service = record.service < services_.size() ? services_[record.service] : 0;
    const uint32_t number = record.number < numbers_.size() ? numbers_[record.number] : 0;
    if (service == 0 || number == 0 || number >= loads_.size() ||
        service_groups_[record.service] != groups_[record.number]) {
      unknown_++;
      return;
    }
    const auto age = static_cast<uint32_t>(std::min<double>(std::lround(record.age * ratio_), kMostAge));
    const uint64_t data = flow_data(record.port, number, record.state, now_ - age);
    Entry entry{};
    if (table().is_ipv6()) {
      std::memcpy(entry.data(), bytes, 16);
      entry[2] = flow6_rest(record.client_port, service);
    } else {
      uint32_t client;
      std::memcpy(&client, bytes, sizeof client);
      entry[0] = flow4_key(client, record.client_port, service);
    }
    if (!Meet(entry, data)) Add(entry, data);
  }

  // Whether the flow is here already.
  bool Meet(const Entry& entry, uint64_t data) {
    return Finder(table(), secret_).Each(entry, data, extents_.word(), [&](size_t index, uint64_t there) {
      uint64_t& known = known_->At(table(), index);
      const bool untouched = known == KnownWord(table(), entry, there, true);
      const uint64_t next = untouched ? data : Later(there, data);
      if (next == there || !Exchange(table().data(index), there, next)) {
        kept_++;
        // Both know the same: nothing is to be told.
        if (!untouched && IsSameFlow(KnownWord(table(), entry, there, false), KnownWord(table(), entry, data, false))) {
          known = KnownWord(table(), entry, data, false);
        }
        return true;
      }
      changed_++;
      known = KnownWord(table(), entry, next, true);
      if (flow_number(next) != flow_number(there) || flow_class(flow_state(next)) != flow_class(flow_state(there))) {
        loads_.Count(there, -1);
        loads_.Count(next, 1);
      }
      return true;
    });
  }

  // Returns what an entry becomes that is this director's own.
  uint64_t Later(uint64_t own, uint64_t told) const {
    const uint32_t own_age = flow_age(own, now_), told_age = flow_age(told, now_);
    if (own_age > told_age + kSlack) return told;
    const bool same_time = told_age <= own_age + kSlack;
    return same_time && flow_number(own) == flow_number(told) && Progress(flow_state(told)) > Progress(flow_state(own))
               ? told
               : own;
  }

  void Add(const Entry& entry, uint64_t data) {
    const uint64_t extent = extents_.word() & UINT32_MAX;
    size_t at = 0;
    // What stands in an entry is no flow's that takes none: nothing is displaced.
    const Placed placed = placed_.size() < room_ && extent < table().buckets() ? placer_.Place(entry, extent, data, &at)
                                                                               : Placed::kNoRoom;
    if (placed == Placed::kNoRoom) {
      no_room_++;
      return;
    }
    if (placed == Placed::kThere) {
      kept_++;
      return;
    }
    loads_.Count(data, 1);
    known_->At(table(), at) = KnownWord(table(), entry, data, true);
    placed_.push_back(at);
  }

  std::shared_ptr<Known> known_;
  Placer placer_;
  Secret secret_;
  Extents extents_;
  Loads loads_;
  std::vector<uint8_t> records_;
  std::vector<uint32_t> services_, service_groups_;  // by the sender's number of a service: the own ones
  std::vector<uint32_t> numbers_, groups_;           // by the sender's number of a destination
  uint32_t now_;
  uint32_t room_;
  double ratio_;  // of the sender's unit to the own one
  uint32_t changed_ = 0, kept_ = 0, unknown_ = 0, no_room_ = 0, wrong_ = 0;
  std::vector<uint32_t> placed_;
};

// Frees entries that were taken over while a packet stored another for the same flow: the packet's own is the one that
// stays. All packets that had looked for the flow before it was taken over must be through.
class Withdraw : public Work {
 public:
  explicit Withdraw(const Options& options)
      : Work(options.env()),
        table_(options.WholeTable("flows", options.Number("family") == 6)),
        secret_(options.HashSecret("secret")),
        extents_(options),
        loads_(options),
        placed_(options.Array<uint32_t>("placed")) {}

 protected:
  void Execute() override {
    Entry entry{};
    for (const uint32_t at : placed_) {
      if (at >= table_.entries) continue;
      const uint64_t data = Load(table_.data(at));
      if (!is_live(flow_state(data)) || !ReadEntry(table_, at, entry, data)) continue;
      const bool twice = Finder(table_, secret_).Each(entry, data, extents_.word(), [&](size_t index, uint64_t) {
        return index != at;
      });
      if (twice) Free(at, entry);
    }
  }

  Napi::Value Result(Napi::Env env) override { return Napi::Number::New(env, withdrawn_); }

 private:
  // A packet that found it meanwhile may have changed it.
  void Free(size_t at, const Entry& entry) {
    Entry now{};
    for (;;) {
      const uint64_t data = Load(table_.data(at));
      if (!is_live(flow_state(data)) || !ReadEntry(table_, at, now, data) || now != entry) return;
      if (!Exchange(table_.data(at), data, 0)) continue;
      loads_.Count(data, -1);
      withdrawn_++;
      return;
    }
  }

  Table table_;
  Secret secret_;
  Extents extents_;
  Loads loads_;
  std::vector<uint32_t> placed_;
  uint32_t withdrawn_ = 0;
};

}  // namespace

void RegisterHandOver(Napi::Env env, Napi::Object exports) {
  exports["newKnownFlows"] = Napi::Function::New<NewKnown>(env, "newKnownFlows");
  exports["collectFlows"] = Napi::Function::New<Start<Collect>>(env, "collectFlows");
  exports["takeFlows"] = Napi::Function::New<Start<Take>>(env, "takeFlows");
  exports["withdrawFlows"] = Napi::Function::New<Start<Withdraw>>(env, "withdrawFlows");
}

}  // namespace beeline
