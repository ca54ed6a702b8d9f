#include "flows.h"

#include <linux/types.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "error.h"
#include "flow_table.h"

namespace beeline {
namespace {

// How long a template of persistence lives on after its timeout while one of its flows lives: IPVS looks again after a
// minute (ip_vs_conn_expire). In units of the data path, which are about a second.
constexpr uint32_t kLookAgain = 60;

// A service whose slots are looked at: under which of them flows are remembered.
struct Ring {
  uint32_t service;
  uint32_t scheduler;  // enum scheduler: MAGLEV, MH or SH
  uint32_t length;
  bool with_port;
  std::vector<uint8_t> occupied;
};

// Which bits of a client's address tell clients apart, in a service with persistence.
struct Mask {
  uint64_t words[2];
  uint32_t group;  // the number that its templates stand under
};

// Timeouts by table and state that held before a time of the data path.
struct Period {
  uint32_t until;
  std::array<std::vector<uint32_t>, 2> timeouts;
};

// One look at all entries: forgets what is over, counts what is not.
class Sweep : public Work {
 public:
  explicit Sweep(const Options& options)
      : Work(options.env()),
        tables_{options.FlowTable("flows4", false), options.FlowTable("flows6", true)},
        now_(options.Number("now")),
        timeouts_{options.Array<uint32_t>("timeouts4"), options.Array<uint32_t>("timeouts6")},
        dead_(options.Array<uint8_t>("dead")),
        spare_(options.Array<uint8_t>("spare")),
        dead_services_(options.Array<uint8_t>("deadServices")) {
    const auto& loads = Mapping::WritableArgument(options.env(), options.object().Get("loads"), "loads");
    loads_region_ = loads.region;
    loads_ = {reinterpret_cast<load*>(loads.region->address), loads.visible_bytes / sizeof(load)};
    const auto rings = options.object().Get("rings").As<Napi::Array>();
    for (uint32_t i = 0; i < rings.Length(); ++i) {
      const auto each = rings.Get(i).As<Napi::Object>();
      const auto number = [&](const char* name) { return each.Get(name).ToNumber().Uint32Value(); };
      const uint32_t length = number("length");
      rings_[number("service")] = rings_order_.size();
      rings_order_.push_back({number("service"), number("scheduler"), length, each.Get("withPort").ToBoolean(),
                              std::vector<uint8_t>(length)});
    }
    const auto masks = options.object().Get("masks").As<Napi::Array>();
    for (uint32_t i = 0; i < masks.Length(); ++i) {
      const auto each = masks.Get(i).As<Napi::Object>();
      const auto bytes = options.ElementsOf<uint8_t>(each.Get("mask"), "mask");
      Mask mask = {};
      std::memcpy(&mask, bytes.data(), std::min(bytes.size(), sizeof mask.words));
      mask.group = each.Get("group").ToNumber().Uint32Value();
      masks_[each.Get("service").ToNumber().Uint32Value()] = mask;
    }
    const auto past = options.object().Get("past").As<Napi::Array>();
    for (uint32_t i = 0; i < past.Length(); ++i) {
      const auto each = past.Get(i).As<Napi::Object>();
      const auto number = [&](const char* name) { return each.Get(name).ToNumber().Uint32Value(); };
      const auto row = [&](const char* name) {
        auto timeouts = options.ElementsOf<uint32_t>(each.Get(name), name);
        timeouts.resize(kStates);
        return timeouts;
      };
      past_[number("service")].push_back({number("until"), {row("timeouts4"), row("timeouts6")}});
    }
    states_.resize(timeouts_[0].size());
    counted_.resize(loads_.size() * FLOW_CLASS_COUNT);
  }

 protected:
  void Execute() override {
    before_ = ReadLoads();
    own_.resize(counted_.size());
    if (!masks_.empty()) FindLivingClients();
    for (size_t family = 0; family < tables_.size(); ++family) SweepTable(family);
    CorrectLoads();
  }

  Napi::Value Result(Napi::Env env) override {
    auto result = Napi::Object::New(env);
    result["states"] = ToArray<Napi::Uint32Array>(env, states_);
    result["counts"] = ToArray<Napi::Uint32Array>(env, counted_);
    result["fill4"] = ToArray<Napi::Uint32Array>(env, fill_[0]);
    result["fill6"] = ToArray<Napi::Uint32Array>(env, fill_[1]);
    result["expired"] = expired_;
    result["corrected"] = corrected_;
    auto occupied = Napi::Array::New(env, rings_order_.size());
    for (uint32_t i = 0; i < rings_order_.size(); ++i) {
      occupied[i] = ToArray<Napi::Uint8Array>(env, rings_order_[i].occupied);
    }
    result["occupied"] = occupied;
    return result;
  }

 private:
  // The timeout that held when a flow's last packet came.
  uint32_t TimeoutOf(const Table& table, uint16_t service, uint64_t data) const {
    const auto& timeouts = timeouts_[table.is_ipv6()];
    const uint32_t state = flow_state(data);
    if (const auto found = past_.find(service); found != past_.end()) {
      for (const auto& [until, tables] : found->second) {
        const auto& past = tables[table.is_ipv6()];
        if (flow_age(data, until) > 0) return past[state] != 0 ? past[state] : UINT32_MAX;
      }
    }
    const size_t index = service * kStates + state;
    // A service that came since the sweep began.
    return index < timeouts.size() && timeouts[index] != 0 ? timeouts[index] : UINT32_MAX;
  }

  // A client, or its network, as one number: what its template has in common with its flows.
  uint64_t ClientOf(const Key& key) const {
    const auto mask = masks_.find(key.service);
    if (mask == masks_.end()) return 0;
    const auto& [words, group] = mask->second;
    return flow6_hash(key.address[0] & words[0], key.address[1] & words[1], group, OwnSecret().data());
  }

  void FindLivingClients() {
    for (const auto& table : tables_) {
      for (size_t i = 0; i < table.entries; ++i) {
        const uint64_t data = Load(table.data(i));
        const uint32_t state = flow_state(data);
        if (!is_live(state) || is_template(state)) continue;
        const Key key = ReadKey(table, i);
        if (masks_.contains(key.service) && flow_age(data, now_) <= TimeoutOf(table, key.service, data)) {
          living_.insert(ClientOf(key));
        }
      }
    }
  }

  void SweepTable(size_t family) {
    const Table& table = tables_[family];
    auto& fill = fill_[family];
    fill.resize(table.ways + 1);
    for (size_t first = 0; first < table.entries; first += table.ways) {
      size_t used = 0;
      for (size_t way = 0; way < table.ways; ++way) used += SweepEntry(table, first + way);
      fill[used]++;
    }
  }

  // Whether the entry is in use after it.
  bool SweepEntry(const Table& table, size_t index) {
    const uint64_t data = Load(table.data(index));
    const uint32_t state = flow_state(data);
    if (!is_live(state)) return false;
    const Key key = ReadKey(table, index);
    const uint32_t number = flow_number(data), timeout = TimeoutOf(table, key.service, data);
    if (Has(dead_services_, key.service)) return !Forget(table, index, data);
    if (Has(dead_, number)) {
      // Whose destination is gone is nobody's until its next packet, and goes to another then. A packet can have
      // changed nothing but the state meanwhile: whoever gets the number next must not find it in any entry.
      if (Exchange(table.data(index), data, flow_data(flow_port(data), 0, state, static_cast<uint32_t>(data)))) {
        Discount(data);
        return true;
      }
      return SweepEntry(table, index);
    }
    // A fallback that is not needed keeps its flows, and no clients.
    if (is_template(state) && Has(spare_, number)) return !Forget(table, index, data);
    if (flow_age(data, now_) > timeout) {
      if (!is_template(state) || !living_.contains(ClientOf(key))) return !Forget(table, index, data);
      const uint32_t then = now_ - timeout + std::min(timeout, kLookAgain);
      Exchange(table.data(index), data, (data & ~static_cast<uint64_t>(FLOW_TIME_MASK)) | (then & FLOW_TIME_MASK));
    }
    Count(key, number, state);
    MarkSlot(key, table.is_ipv6(), state);
    return true;
  }

  // Frees an entry, unless a packet was faster.
  bool Forget(const Table& table, size_t index, uint64_t data) {
    if (!Exchange(table.data(index), data, 0)) return false;
    Discount(data);
    expired_++;
    return true;
  }

  // A flow is its destination's no more.
  void Discount(uint64_t data) {
    const uint32_t number = flow_number(data);
    const size_t at = number * FLOW_CLASS_COUNT + flow_class(flow_state(data));
    if (number == 0 || at >= counted_.size()) return;
    __atomic_fetch_sub(CountAt(at), 1, __ATOMIC_RELAXED);
    own_[at]++;
  }

  void Count(const Key& key, uint32_t number, uint32_t state) {
    const size_t at = number * FLOW_CLASS_COUNT + flow_class(state), of_state = key.service * kStates + state;
    if (number != 0 && at < counted_.size()) counted_[at]++;
    if (of_state < states_.size()) states_[of_state]++;
  }

  void MarkSlot(const Key& key, bool ipv6, uint32_t state) {
    const auto found = rings_.find(key.service);
    if (found == rings_.end() || is_template(state)) return;
    Ring& ring = rings_order_[found->second];
    const uint32_t slot = SlotOf(ring, key, ipv6);
    if (slot < ring.length) ring.occupied[slot] = 1;
  }

  static uint32_t SlotOf(const Ring& ring, const Key& key, bool ipv6) {
    if (ring.scheduler == SCHEDULER_MAGLEV) {
      const uint64_t hash = ipv6 ? ring_hash6(key.address[0], key.address[1], key.port)
                                 : ring_hash4(static_cast<uint32_t>(key.address[0]), key.port);
      return hash >> (__builtin_clzll(ring.length) + 1);
    }
    const auto fold =
        static_cast<uint32_t>(key.address[0] ^ key.address[0] >> 32 ^ key.address[1] ^ key.address[1] >> 32);
    const uint32_t client = __builtin_bswap32(ipv6 ? fold : static_cast<uint32_t>(key.address[0]));
    const uint32_t word = client + (ring.with_port ? __builtin_bswap16(key.port) : 0);
    return ring.scheduler == SCHEDULER_MH ? mh_slot(word) : sh_slot(word);
  }

  std::vector<uint32_t> ReadLoads() const {
    std::vector<uint32_t> counts(counted_.size());
    for (size_t i = 0; i < counts.size(); ++i) counts[i] = __atomic_load_n(CountAt(i), __ATOMIC_RELAXED);
    return counts;
  }

  __u32* CountAt(size_t index) const { return &loads_[index / FLOW_CLASS_COUNT].flows[index % FLOW_CLASS_COUNT]; }

  // Counts that did not change during the sweep and are not what it counted are set right: whoever kept them may have
  // ended halfway. And who is below its threshold takes flows again (ip_vs_unbind_dest in ip_vs_conn.c).
  void CorrectLoads() {
    for (size_t i = 0; i < counted_.size(); ++i) {
      __u32 expected = before_[i] - own_[i];
      if (expected != counted_[i] &&
          __atomic_compare_exchange_n(CountAt(i), &expected, counted_[i], false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
        corrected_++;
      }
    }
    for (auto& each : loads_) {
      const uint64_t total = static_cast<uint64_t>(each.flows[FLOW_ACTIVE]) + each.flows[FLOW_INACTIVE];
      const bool below = each.lower ? total < each.lower : total * 4 < static_cast<uint64_t>(each.upper) * 3;
      if (each.overload && (!each.upper || below)) __atomic_store_n(&each.overload, 0, __ATOMIC_RELAXED);
    }
  }

  std::array<Table, 2> tables_;
  std::shared_ptr<Mapping::Region> loads_region_;
  std::span<load> loads_;
  uint32_t now_;
  std::array<std::vector<uint32_t>, 2> timeouts_;
  std::unordered_map<uint32_t, std::vector<Period>> past_;
  std::vector<uint8_t> dead_;
  std::vector<uint8_t> spare_;
  std::vector<uint8_t> dead_services_;
  std::unordered_map<uint32_t, size_t> rings_;
  std::vector<Ring> rings_order_;
  std::unordered_map<uint32_t, Mask> masks_;
  std::unordered_set<uint64_t> living_;
  std::vector<uint32_t> before_, own_, counted_, states_;
  std::array<std::vector<uint32_t>, 2> fill_;
  uint32_t expired_ = 0;
  uint32_t corrected_ = 0;
};

// Which flows a listing is of.
struct Filter {
  std::vector<uint8_t> services;  // flags by number; empty: all
  uint32_t number;                // 0: all
  uint32_t states;                // bits; 0: all
  bool one_client;
  uint64_t client[2];

  explicit Filter(const Options& options)
      : services(options.Has("services") ? options.Array<uint8_t>("services") : std::vector<uint8_t>()),
        number(options.Number("destination")),
        states(options.Number("states")),
        one_client(options.Has("client")),
        client{} {
    if (!one_client) return;
    const auto bytes = options.Array<uint8_t>("client");
    std::memcpy(client, bytes.data(), std::min(bytes.size(), sizeof client));
  }

  bool Takes(const Key& key, uint64_t data) const {
    return (services.empty() || Has(services, key.service)) && (!number || flow_number(data) == number) &&
           (!states || states >> flow_state(data) & 1) &&
           (!one_client || (key.address[0] == client[0] && key.address[1] == client[1]));
  }
};

// A page of entries, as they stand in the table.
class List : public Work {
 public:
  explicit List(const Options& options)
      : Work(options.env()),
        table_(options.FlowTable("flows", options.Number("family") == 6)),
        filter_(options),
        next_(options.Number("from")),
        limit_(options.Number("limit")) {}

 protected:
  void Execute() override {
    const size_t bytes = table_.entry_words * sizeof(__u64);
    for (; next_ < table_.entries && found_ < limit_; ++next_) {
      const uint64_t data = Load(table_.data(next_));
      if (!is_live(flow_state(data)) || !filter_.Takes(ReadKey(table_, next_), data)) continue;
      const size_t at = entries_.size();
      entries_.resize(at + bytes);
      std::memcpy(&entries_[at], table_.entry(next_), bytes);
      found_++;
      // Its own data, should it be another's by now.
      std::memcpy(&entries_[at + bytes - sizeof data], &data, sizeof data);
    }
  }

  Napi::Value Result(Napi::Env env) override {
    auto result = Napi::Object::New(env);
    result["entries"] = ToArray<Napi::Uint8Array>(env, entries_);
    if (next_ < table_.entries) result["next"] = next_;
    return result;
  }

 private:
  Table table_;
  Filter filter_;
  uint32_t next_;
  uint32_t limit_;
  uint32_t found_ = 0;
  std::vector<uint8_t> entries_;
};

// How many flows there are in each state, templates among them, and how many each client has, of those that have the
// most.
class Summary : public Work {
 public:
  explicit Summary(const Options& options)
      : Work(options.env()),
        table_(options.FlowTable("flows", options.Number("family") == 6)),
        filter_(options),
        limit_(options.Number("limit")) {}

 protected:
  void Execute() override {
    std::unordered_map<Client, uint32_t, ClientHash> counts;
    for (size_t i = 0; i < table_.entries; ++i) {
      const uint64_t data = Load(table_.data(i));
      const uint32_t state = flow_state(data);
      if (!is_live(state)) continue;
      const Key key = ReadKey(table_, i);
      if (!filter_.Takes(key, data)) continue;
      states_[state]++;
      if (!is_template(state)) counts[{key.address[0], key.address[1]}]++;
    }
    top_.assign(counts.begin(), counts.end());
    const size_t limit = std::min<size_t>(limit_, top_.size());
    std::partial_sort(top_.begin(), top_.begin() + limit, top_.end(), [](const auto& a, const auto& b) {
      return a.second != b.second ? a.second > b.second
                                  : std::memcmp(a.first.data(), b.first.data(), sizeof(Client)) < 0;
    });
    top_.resize(limit);
  }

  Napi::Value Result(Napi::Env env) override {
    auto top = Napi::Array::New(env, top_.size());
    for (uint32_t i = 0; i < top_.size(); ++i) {
      auto each = Napi::Object::New(env);
      const auto& [address, count] = top_[i];
      const size_t bytes = table_.is_ipv6() ? 16 : 4;
      each["address"] = libbpf::CopyToBuffer(env, {reinterpret_cast<const uint8_t*>(address.data()), bytes});
      each["flows"] = count;
      top[i] = each;
    }
    auto result = Napi::Object::New(env);
    result["topClients"] = top;
    result["states"] = ToArray<Napi::Uint32Array>(env, states_);
    return result;
  }

 private:
  using Client = std::array<uint64_t, 2>;
  struct ClientHash {
    size_t operator()(const Client& client) const { return flow6_hash(client[0], client[1], 0, OwnSecret().data()); }
  };

  Table table_;
  Filter filter_;
  uint32_t limit_;
  std::vector<uint32_t> states_ = std::vector<uint32_t>(kStates);
  std::vector<std::pair<Client, uint32_t>> top_;
};

// Brings flows from one table into another. What is there already stays as it is.
class Copy : public Work {
 public:
  explicit Copy(const Options& options)
      : Work(options.env()),
        from_(options.FlowTable("from", options.Number("family") == 6)),
        to_(options.FlowTable("to", options.Number("family") == 6), options.HashSecret("secret")) {}

 protected:
  void Execute() override {
    const uint64_t extent = to_.table().buckets() - 1;
    Entry entry;
    for (size_t i = 0, at = 0; i < from_.entries; ++i) {
      const uint64_t data = Load(from_.data(i));
      // Packets go on changing it: a key and another flow's data must not come together.
      if (!is_live(flow_state(data)) || !ReadEntry(from_, i, entry, data)) continue;
      if (to_.Place(entry, extent, data, &at) == Placed::kNoRoom) lost_++;
    }
  }

  Napi::Value Result(Napi::Env env) override { return Napi::Number::New(env, lost_); }

 private:
  Table from_;
  Placer to_;
  uint32_t lost_ = 0;
};

// Moves the flows of a table to the buckets that they have in its present extent (struct control, bpf/layout.h), from
// those of the former one and from spare ones, where packets look first. So a flow stands in its new entry before it
// leaves the old one, and no packet misses it.
class Move : public Work {
 public:
  explicit Move(const Options& options)
      : Work(options.env()),
        placer_(options.WholeTable("flows", options.Number("family") == 6), options.HashSecret("secret")) {
    const auto& control = Mapping::WritableArgument(options.env(), options.object().Get("control"), "control");
    const size_t offset = options.Number("offset");
    if (offset % sizeof(__u64) != 0 || offset + sizeof(__u64) > control.visible_bytes) {
      libbpf::ThrowRange(options.env(), "offset is not that of a word of control");
    }
    control_region_ = control.region;
    extents_ = reinterpret_cast<__u64*>(control.region->address + offset);
  }

 protected:
  void Execute() override {
    before_ = Load(extents_);
    present_ = before_ & UINT32_MAX;
    const uint64_t former = before_ >> 32;
    const size_t buckets = std::max(former, present_) + 1;
    if (former == present_) return;
    if (buckets > placer_.table().buckets()) {
      SetError("the extents are larger than the table");
      return;
    }
    // Flows in their spare buckets may find room when those that were to be moved from their own are gone.
    for (uint32_t left = UINT32_MAX;; left = left_) {
      left_ = MoveAll(buckets * placer_.table().ways);
      if (left_ == 0 || left_ >= left) break;
    }
    if (left_ == 0) Exchange(extents_, before_, present_ << 32 | present_);
  }

  Napi::Value Result(Napi::Env env) override { return Napi::Number::New(env, left_); }

 private:
  // Returns how many flows stay where they do not belong. Ends when a packet changed the extents.
  uint32_t MoveAll(size_t entries) const {
    uint32_t left = 0;
    for (size_t i = 0; i < entries; ++i) {
      if (Load(extents_) != before_) return left + 1;
      left += MoveEntry(i) ? 0 : 1;
    }
    return left;
  }

  // False when the entry's flow stays where it does not belong.
  bool MoveEntry(size_t from) const {
    const Table& table = placer_.table();
    Entry entry;
    uint64_t data;
    // Packets that change an entry do so in nanoseconds.
    for (int tries = 0;; ++tries) {
      data = Load(table.data(from));
      if (flow_state(data) == FLOW_FREE) return true;
      if (is_live(flow_state(data)) && ReadEntry(table, from, entry, data)) break;
      if (tries == kTries) return false;
    }
    if (placer_.Belongs(entry, present_, from / table.ways * table.ways)) return true;
    size_t to = 0;
    const Placed placed = placer_.Place(entry, present_, data, &to);
    if (placed == Placed::kNoRoom) return false;
    // A packet that turned the extents round since (enlarge() in bpf/flow_store.h) may have looked for the flow in its
    // new entry before it was there. Then the flow stays.
    if (placed == Placed::kPlaced && Load(extents_) != before_ && Exchange(table.data(to), data, 0)) return false;
    placer_.Leave(from, to, data);
    return true;
  }

  static constexpr int kTries = 1000;

  Placer placer_;
  std::shared_ptr<Mapping::Region> control_region_;
  __u64* extents_ = nullptr;
  uint64_t before_ = 0;
  uint64_t present_ = 0;
  uint32_t left_ = 0;
};

}  // namespace

void RegisterFlows(Napi::Env env, Napi::Object exports) {
  exports["sweepFlows"] = Napi::Function::New<Start<Sweep>>(env, "sweepFlows");
  exports["listFlows"] = Napi::Function::New<Start<List>>(env, "listFlows");
  exports["summarizeFlows"] = Napi::Function::New<Start<Summary>>(env, "summarizeFlows");
  exports["moveFlows"] = Napi::Function::New<Start<Move>>(env, "moveFlows");
  exports["copyFlows"] = Napi::Function::New<Start<Copy>>(env, "copyFlows");
}

}  // namespace beeline
