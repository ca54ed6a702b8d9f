/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * How one packet leaves.
 */
#pragma once

#include <stdbool.h>

#include "match.h"

/* What sending needs to know beside the frame and the packet. */
struct delivery {
	const struct match *match;
	const struct egress *egress; /* NULL when all go back where they came from, untagged */
	bool redirects;              /* out by another interface than the frame came by */
	bool opens;                  /* the first packet of its flow */
	bool is_ipv6;
};

static __always_inline __u32 ip_bytes_of(const struct packet *packet, const struct delivery *delivery)
{
	return delivery->is_ipv6 ? sizeof(struct ipv6hdr) + bpf_ntohs(packet->ip6->payload_len)
				 : bpf_ntohs(packet->ip->tot_len);
}
