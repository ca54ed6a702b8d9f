// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * Maps of several kinds, and programs that do one visible thing each, for the binding's tests.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char _license[] SEC("license") = "Dual MIT/GPL";

struct point {
	__u32 x;
	__s16 y;
	__u8 flags : 3;
	__u8 rest : 5;
};

enum color { COLOR_RED, COLOR_GREEN = 7 };

struct table {
	__u64 header;
	struct point entry[0];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, struct point);
} points SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, __u64);
} numbers SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, struct table);
} resizable SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u32);
} per_cpu SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} events SEC(".maps");

const volatile __u32 answer = 1;
enum color color = COLOR_GREEN;

/* Returns the constant that was set before loading. */
SEC("xdp")
int constant(struct xdp_md *context)
{
	return answer;
}

/* Writes the packet's ingress interface to `numbers[0]` and counts its runs in `numbers[1]`. */
SEC("xdp")
int origin(struct xdp_md *context)
{
	__u32 first = 0, second = 1;
	__u64 *interface = bpf_map_lookup_elem(&numbers, &first);
	__u64 *runs = bpf_map_lookup_elem(&numbers, &second);

	if (interface)
		*interface = context->ingress_ifindex;
	if (runs)
		++*runs;
	return XDP_PASS;
}

/* Puts each packet's first eight bytes into the ring buffer. */
SEC("xdp")
int report(struct xdp_md *context)
{
	__u64 *packet = (void *)(long)context->data;

	if ((void *)(packet + 1) > (void *)(long)context->data_end)
		return XDP_DROP;
	__u64 head = *packet;
	return bpf_ringbuf_output(&events, &head, sizeof(head), 0) ? XDP_DROP : XDP_PASS;
}

/* Looks a resized table's last entry up. */
SEC("xdp")
int table_entry(struct xdp_md *context)
{
	__u32 key = 1;
	struct table *table = bpf_map_lookup_elem(&resizable, &key);

	return table ? table->header : XDP_ABORTED;
}
