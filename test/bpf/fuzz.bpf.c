// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * Many different packets in one BPF_PROG_RUN: each repetition takes the next case from a map, puts its bytes into the
 * frame, lets the director decide, and writes down what became of it. A run for each packet would take milliseconds.
 */
#define END_UNUSUAL(verdict) (verdict)
#include "director.bpf.c"

#define MAX_FRAME 640
#define CASES 4096

struct fuzz_case {
	__u32 length; /* of the frame, before and after */
	enum verdict verdict;
	__u8 bytes[MAX_FRAME];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, CASES);
	__type(key, __u32);
	__type(value, struct fuzz_case);
} fuzz_cases SEC(".maps");

/* Which case is next; and where its frame began before and after, as numbers, which the verifier lets one subtract. */
struct fuzz_cursor {
	__u32 next;
	__u32 zero;
	__u64 before;
	__u64 after;
};

volatile struct fuzz_cursor fuzz_cursor SEC(".data.fuzz");

/*
 * Not inlined, so that a tail call of the director's comes back here: the program that it leads to takes the place of
 * this function alone.
 */
static __noinline enum verdict direct_apart(struct xdp_md *context)
{
	return direct(context);
}

SEC("xdp.frags")
int fuzz(struct xdp_md *context)
{
	__u32 index = fuzz_cursor.next++;
	struct fuzz_case *each = bpf_map_lookup_elem(&fuzz_cases, &index);
	if (!each)
		return XDP_ABORTED;

	__u32 length = each->length;
	if (length < sizeof(struct ethhdr) || length > MAX_FRAME)
		return XDP_ABORTED;
	if (bpf_xdp_adjust_tail(context, (int)length - (int)bpf_xdp_get_buff_len(context)))
		return XDP_ABORTED;
	KEEP_BOUNDS_CHECK(length);
	if (length < 1 || length > MAX_FRAME || bpf_xdp_store_bytes(context, 0, each->bytes, length))
		return XDP_ABORTED;

	fuzz_cursor.before = (unsigned long)context->data;
	each->verdict = direct_apart(context);
	fuzz_cursor.after = (unsigned long)context->data;

	__u32 after = bpf_xdp_get_buff_len(context);
	if (after < 1 || after > MAX_FRAME)
		return XDP_ABORTED;
	each->length = after;
	if (bpf_xdp_load_bytes(context, 0, each->bytes, after))
		return XDP_ABORTED;
	/* Tags that came or went, and the headers of an answer, moved the frame's beginning: back. */
	int moved = fuzz_cursor.before - fuzz_cursor.after;

	if (moved && bpf_xdp_adjust_head(context, moved))
		return XDP_ABORTED;
	return XDP_PASS;
}
