// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * Passes everything. The lab puts it on the switch's end of the director's cable: a veth whose peer has no XDP program
 * loses the frames that the director transmits by XDP_TX (drivers/net/veth.c, veth_xdp_xmit).
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char _license[] SEC("license") = "Dual MIT/GPL";

SEC("xdp.frags")
int pass(struct xdp_md *context)
{
	return XDP_PASS;
}
