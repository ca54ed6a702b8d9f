// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * Maps of many types, with keys and values of all that C can say, for the tests of looking into maps.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char _license[] SEC("license") = "Dual MIT/GPL";

enum color { COLOR_RED, COLOR_GREEN = 7, COLOR_NONE = -1 };

enum right { RIGHT_READ = 1, RIGHT_WRITE = 2, RIGHT_RUN = 4 };

struct endpoint {
	__be32 address;
	__be16 port;
	__u8 protocol;
	__u8 zero;
};

/* Something of everything. */
struct thing {
	char name[8];
	__u8 mac[6];
	__u16 a : 3, b : 5, c : 8;
	__s64 balance;
	__u64 bits;
	union {
		__u32 word;
		__u8 bytes[4];
	};
	enum color color;
	enum right rights;
	_Bool on;
	double ratio;
	void *where;
	__be32 address6[4];
	struct endpoint peers[2];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, struct endpoint);
	__type(value, struct thing);
} things SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 100000);
	__type(key, __u32);
	__type(value, __u64);
} numbers_of_flows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 16);
	__type(key, __u32);
	__type(value, struct endpoint);
} list SEC(".maps");

struct table {
	__u64 generation;
	struct endpoint entry[0];
};

/* Its size is set when it is loaded. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, struct table);
} tables SEC(".maps");

struct counter {
	__u64 packets;
	__u64 bytes;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, struct counter);
} counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 16);
	__type(key, __be32);
	__type(value, enum color);
} colors SEC(".maps");

struct prefix {
	__u32 length;
	__u8 address[4];
};

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 16);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct prefix);
	__type(value, __u32);
} routes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, 2);
	__type(value, __u32);
} line SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_STACK);
	__uint(max_entries, 4);
	__type(value, struct endpoint);
} pile SEC(".maps");

/* Sizes without types: nothing tells what is in it. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16);
	__uint(key_size, 3);
	__uint(value_size, 5);
} opaque SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 2);
	__type(key, __u32);
	__array(
		values, struct {
			__uint(type, BPF_MAP_TYPE_ARRAY);
			__uint(max_entries, 1);
			__type(key, __u32);
			__type(value, __u32);
		});
} outer SEC(".maps");

__u64 runs;
const volatile __u32 limit = 100;

/* Uses every map, so that the program's maps are these. */
SEC("xdp")
int user(struct xdp_md *context)
{
	struct endpoint key = {};
	struct prefix prefix = {};
	__u32 zero = 0;
	__u8 bytes[3] = {};

	runs += limit;
	return !!bpf_map_lookup_elem(&things, &key) + !!bpf_map_lookup_elem(&numbers_of_flows, &zero) +
	       !!bpf_map_lookup_elem(&list, &zero) + !!bpf_map_lookup_elem(&tables, &zero) +
	       !!bpf_map_lookup_elem(&counters, &zero) + !!bpf_map_lookup_elem(&colors, &zero) +
	       !!bpf_map_lookup_elem(&routes, &prefix) + !!bpf_map_lookup_elem(&opaque, bytes) +
	       !!bpf_map_peek_elem(&line, &zero) + !!bpf_map_peek_elem(&pile, &key) +
	       !!bpf_map_lookup_elem(&outer, &zero) + !!bpf_ringbuf_query(&events, 0);
}
