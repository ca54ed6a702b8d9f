// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * A program that the verifier must refuse: it reads a packet without looking where the packet ends.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char _license[] SEC("license") = "Dual MIT/GPL";

SEC("xdp")
int unchecked(struct xdp_md *context)
{
	return *(__u8 *)(long)context->data;
}
