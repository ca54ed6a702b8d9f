/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * How one packet leaves: the destination that is picked for it, and the interface and tags by which it gets there.
 */
#pragma once

#include <stdbool.h>

#include "match.h"
#include "parse.h"

struct delivery {
	const struct destinations *table;
	const struct match *match;
	const struct destination *destination;
	const struct egress *egress; /* NULL when all packets leave by the interface they came by, untagged */
	__u32 number;                /* the destination's */
	const __u32 *copy; /* of the tables. It is on the stack anyway, as a key: a second place for it is too much */
	bool redirects;    /* leaves by another interface than it came by */
	bool opens;        /* the first packet of its flow */
	bool is_ipv6;
	bool from_host; /* the client is this host; known where a flow is followed */
};

static __always_inline __u32 ip_bytes_of(const struct packet *packet, const struct delivery *delivery)
{
	return delivery->is_ipv6 ? sizeof(struct ipv6hdr) + bpf_ntohs(packet->ip6->payload_len)
				 : bpf_ntohs(packet->ip->tot_len);
}
