/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Tunnels: the packet of a flow whose real server is behind one gets an outer header to that real server, and leaves by
 * the next hop to it. What an operator of IPVS knows stays so: ip_vs_tunnel_xmit() in net/netfilter/ipvs/ip_vs_xmit.c.
 *
 * This is the second half of such a packet's path, in a program of its own (docs/adr/0040): the first half picked the
 * destination, and left what is needed in the CPU's query.
 */
#pragma once

#include "answer.h"
#include "forward_dr.h"

/* The UDP header of GUE (RFC 768), and GUE's own without options (draft-ietf-intarea-gue-09, 3). */
struct gue {
	__be16 source_port;
	__be16 port;
	__be16 bytes;
	__u16 checksum;
	__u8 version; /* 0, and no control message */
	__u8 protocol;
	__be16 flags;
};

/* GRE (RFC 2784), the second word with a checksum alone. */
struct gre {
	__be16 flags;
	__be16 protocol; /* an EtherType */
	__u16 checksum;
	__u16 zero;
};

#define GRE_CHECKSUM 0x8000
#define GRE_PLAIN_BYTES 4

/* The facts of the packet within that its outer headers take over. */
struct inner {
	__u32 bytes;
	__u16 id;             /* of the outer header, where the packet may be fragmented on its way */
	__be16 dont_fragment; /* IPV4_DONT_FRAGMENT, or 0 */
	__u8 tos;
	__u8 ttl;
	__u8 protocol; /* as the outer header names it: IPPROTO_IPIP or IPPROTO_IPV6 */
	__be16 ethertype;
	__u16 sum; /* of all its bytes, where a checksum covers them */
};

/*
 * Reads the packet within, whose header is at `network`. False when the frame does not hold it.
 *
 * An outer id is the inner one, moved by the flow's hash: different packets of a flow have different ones, and those of
 * others mostly. IPv6 has none: the beginning of its payload, the sequence number among it, is hashed. A whole packet
 * that may not be fragmented has 0 (RFC 6864, 4.1).
 */
static __always_inline bool read_inner(const struct frame *frame, __u32 network, const struct wrapping *wrapping,
				       struct inner *inner)
{
	if (wrapping->is_ipv6) {
		const struct ipv6hdr *ip6 = at(frame, network, sizeof(*ip6));
		const __u64 *payload = at(frame, network + sizeof(*ip6), sizeof(*payload));

		if (!ip6)
			return false;
		*inner = (struct inner){
			.bytes = sizeof(*ip6) + bpf_ntohs(ip6->payload_len),
			.id = wrapping->hash ^ (payload ? mix(*payload) : ip6->payload_len),
			/* The traffic class is in the middle of the first word. */
			.tos = bpf_ntohs(*(const __be16 *)ip6) >> 4,
			.ttl = ip6->hop_limit,
			.protocol = IPPROTO_IPV6,
			.ethertype = bpf_htons(ETH_P_IPV6),
		};
		return true;
	}
	const struct iphdr *ip = at(frame, network, sizeof(*ip));

	if (!ip)
		return false;
	*inner = (struct inner){
		.bytes = bpf_ntohs(ip->tot_len),
		.id = ip->frag_off & bpf_htons(IPV4_DONT_FRAGMENT) ? 0 : ip->id + wrapping->hash,
		.dont_fragment = ip->frag_off & bpf_htons(IPV4_DONT_FRAGMENT),
		.tos = ip->tos,
		.ttl = ip->ttl,
		.protocol = IPPROTO_IPIP,
		.ethertype = bpf_htons(ETH_P_IP),
	};
	return true;
}

static __always_inline void write_outer4(__u16 *words, const struct tunnel *tunnel, const struct inner *inner,
					 __u32 bytes, __u8 protocol)
{
	/* The rest of the header is the same for all packets: its sum is in the table. */
	__u32 sum = tunnel->sum;

	words[0] = bpf_htons(0x4500 | inner->tos);
	words[1] = bpf_htons(bytes);
	words[2] = inner->id;
	words[3] = inner->dont_fragment;
	words[4] = bpf_htons(inner->ttl << 8 | protocol);
	sum += (__u32)words[0] + words[1] + words[2] + words[3] + words[4];
	sum = (sum & 0xffff) + (sum >> 16);
	words[5] = ~(sum + (sum >> 16));
	*(__u64 *)(words + 6) = *(const __u64 *)tunnel->addresses;
}

static __always_inline void write_outer6(__u16 *words, const struct tunnel *tunnel, const struct inner *inner,
					 __u32 bytes, __u8 protocol)
{
	const __u64 *addresses = (const __u64 *)tunnel->addresses;
	__u64 *to = (__u64 *)(words + 4);

	words[0] = bpf_htons(0x6000 | inner->tos << 4);
	words[1] = 0;
	words[2] = bpf_htons(bytes - sizeof(struct ipv6hdr));
	words[3] = bpf_htons(protocol << 8 | inner->ttl);
	to[0] = addresses[0];
	to[1] = addresses[1];
	to[2] = addresses[2];
	to[3] = addresses[3];
}

/* The ports that GUE's packets come from: the dynamic ones (RFC 6335, 6), of which the flow's hash picks one. */
#define FIRST_GUE_PORT 0xc000

/* The sum of the addresses, the protocol and the length, as UDP's checksum takes them (RFC 768; RFC 8200, 8.1). */
static __always_inline __u64 outer_pseudo_sum(const struct tunnel *tunnel, __u32 bytes)
{
	/* `sum` has the addresses' words, of IPv6 too. */
	return (__u64)tunnel->sum + bpf_htons(bytes) + bpf_htons(IPPROTO_UDP);
}

static __always_inline void write_gue(struct gue *gue, const struct tunnel *tunnel, const struct wrapping *wrapping,
				      const struct inner *inner, bool checksum)
{
	__u32 bytes = sizeof(*gue) + inner->bytes;

	*gue = (struct gue){
		.source_port = bpf_htons(FIRST_GUE_PORT | wrapping->hash >> 2),
		.port = tunnel->port,
		.bytes = bpf_htons(bytes),
		.protocol = inner->protocol,
	};
	if (checksum && inner->sum) {
		const __u16 *words = (const __u16 *)gue;
		__u64 sum = outer_pseudo_sum(tunnel, bytes) + inner->sum;
		__u16 folded;

#pragma unroll
		for (__u32 i = 0; i < sizeof(*gue) / sizeof(*words); i++)
			sum += words[i];
		folded = ~fold(sum);
		gue->checksum = folded ? folded : 0xffff;
	}
}

static __always_inline void write_gre(struct gre *gre, const struct inner *inner, bool checksum)
{
	gre->flags = checksum ? bpf_htons(GRE_CHECKSUM) : 0;
	gre->protocol = inner->ethertype;
	if (checksum) {
		gre->zero = 0;
		gre->checksum = ~fold((__u64)gre->flags + gre->protocol + inner->sum);
	}
}

/* How many bytes stand before the packet within. `type` and `outer6` are constants. */
static __always_inline __u32 outer_bytes(enum tunnel_type type, bool outer6)
{
	__u32 ip = outer6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr);

	switch (type) {
	case TUNNEL_GUE:
	case TUNNEL_GUE_CHECKSUM:
		return ip + sizeof(struct gue);
	case TUNNEL_GRE:
		return ip + GRE_PLAIN_BYTES;
	case TUNNEL_GRE_CHECKSUM:
		return ip + sizeof(struct gre);
	default:
		return ip;
	}
}

/* Writes the headers behind the link's, `outer_bytes()` before the packet within. */
static __always_inline void write_outer(void *at, const struct tunnel *tunnel, const struct wrapping *wrapping,
					const struct inner *inner, enum tunnel_type type, bool outer6)
{
	const __u32 ip = outer6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr);
	__u32 bytes = outer_bytes(type, outer6) + inner->bytes;
	__u8 protocol = inner->protocol;

	if (type == TUNNEL_GUE || type == TUNNEL_GUE_CHECKSUM) {
		protocol = IPPROTO_UDP;
		write_gue(at + ip, tunnel, wrapping, inner, type == TUNNEL_GUE_CHECKSUM);
	} else if (type == TUNNEL_GRE || type == TUNNEL_GRE_CHECKSUM) {
		protocol = IPPROTO_GRE;
		write_gre(at + ip, inner, type == TUNNEL_GRE_CHECKSUM);
	}
	if (outer6)
		write_outer6(at, tunnel, inner, bytes, protocol);
	else
		write_outer4(at, tunnel, inner, bytes, protocol);
}

/*
 * Makes room, and writes the headers of link and tunnel. False, and the frame untouched, when there is no room. `type`
 * and `outer6` are constants: the copies have constant sizes.
 */
static __always_inline bool wrap_as(struct xdp_md *context, const struct frame *frame, const struct tunnel *tunnel,
				    const struct egress *egress, const struct wrapping *wrapping,
				    const struct inner *inner, enum tunnel_type type, bool outer6)
{
	const __u32 added = outer_bytes(type, outer6);
	__be16 vlan = egress ? egress->vlan : 0, outer_vlan = egress ? egress->outer_vlan : 0;
	__u32 tags = !!vlan + !!outer_vlan;
	__be16 priority = priority_of(frame);

	if (bpf_xdp_adjust_head(context, (int)((frame->tags - tags) * TAG_BYTES) - (int)added))
		return false;
	void *start = (void *)(long)context->data;
	/*
	 * No frame is shorter, with an IPv4 header of which decrement_ttl() writes the part before the addresses, or
	 * with two tags less of it: what matters is that the verifier sees it checked.
	 */
	if (start + LONGEST_LINK_HEADER + added + offsetof(struct iphdr, saddr) > (void *)(long)context->data_end)
		return true;
	void *network = write_link(start, &tunnel->next_hop, priority, vlan, outer_vlan,
				   outer6 ? bpf_htons(ETH_P_IPV6) : bpf_htons(ETH_P_IP));
	write_outer(network, tunnel, wrapping, inner, type, outer6);
	if (wrapping->decrements_ttl)
		decrement_ttl(network + added, wrapping->is_ipv6);
	return true;
}

static __always_inline bool wrap(struct xdp_md *context, const struct frame *frame, const struct tunnel *tunnel,
				 const struct egress *egress, const struct wrapping *wrapping,
				 const struct inner *inner)
{
#define WRAP(type, outer6) wrap_as(context, frame, tunnel, egress, wrapping, inner, type, outer6)
	switch (tunnel->type) {
	case TUNNEL_IPIP:
		return tunnel->outer6 ? WRAP(TUNNEL_IPIP, true) : WRAP(TUNNEL_IPIP, false);
	case TUNNEL_GUE:
		return tunnel->outer6 ? WRAP(TUNNEL_GUE, true) : WRAP(TUNNEL_GUE, false);
	case TUNNEL_GUE_CHECKSUM:
		return tunnel->outer6 ? WRAP(TUNNEL_GUE_CHECKSUM, true) : WRAP(TUNNEL_GUE_CHECKSUM, false);
	case TUNNEL_GRE:
		return tunnel->outer6 ? WRAP(TUNNEL_GRE, true) : WRAP(TUNNEL_GRE, false);
	case TUNNEL_GRE_CHECKSUM:
		return tunnel->outer6 ? WRAP(TUNNEL_GRE_CHECKSUM, true) : WRAP(TUNNEL_GRE_CHECKSUM, false);
	default:
		return false;
	}
#undef WRAP
}

/* Wraps the packet that the first half left, and sends it. Returns its verdict. */
static __always_inline enum verdict wrap_and_send(struct xdp_md *context)
{
	__u32 cpu = bpf_get_smp_processor_id();
	const struct flow_query *query = bpf_map_lookup_elem(&flow_queries, &cpu);
	struct frame frame = {
		.start = (void *)(long)context->data,
		.end = (void *)(long)context->data_end,
	};
	const struct egress *egress = NULL;
	struct inner inner;

	if (!query || frame.start + sizeof(struct ethhdr) > frame.end)
		return VERDICT_UNRESOLVED;
	const struct wrapping *wrapping = &query->wrapping;
	const struct tunnel *tunnel = tunnel_of(wrapping->number, wrapping->copy);
	if (uses(FEATURE_VLAN) || uses(FEATURE_NICS))
		egress = egress_of(wrapping->number, wrapping->copy);
	skip_tags(&frame);
	const __u32 network = sizeof(struct ethhdr) + frame.tags * TAG_BYTES;
	if (!tunnel || !read_inner(&frame, network, wrapping, &inner))
		return end(context, VERDICT_NO_EGRESS, 0, wrapping->unanswerable, wrapping->service);
	if (unlikely(inner.bytes > tunnel->mtu))
		return end(context, VERDICT_TOO_LONG, tunnel->mtu, wrapping->unanswerable, wrapping->service);
	if (wrapping->decrements_ttl && inner.ttl-- <= 1)
		return end(context, VERDICT_TTL, 0, wrapping->unanswerable, wrapping->service);
	if (tunnel->type == TUNNEL_GUE_CHECKSUM || tunnel->type == TUNNEL_GRE_CHECKSUM) {
		inner.sum = sum_of(context, network, inner.bytes);
		/* One less hop, which IPv4's own checksum makes up for (RFC 1624). */
		if (wrapping->is_ipv6 && wrapping->decrements_ttl)
			inner.sum = fold((__u64)inner.sum + (__u16)~bpf_htons(1));
	}

	/* The program's return value is what redirects: this call finds out whether that can be done. */
	if ((uses(FEATURE_NICS) && egress && wrapping->redirects &&
	     bpf_redirect_map(&devices, egress->ifindex, XDP_PASS) != XDP_REDIRECT) ||
	    !wrap(context, &frame, tunnel, egress, wrapping, &inner))
		return end(context, VERDICT_NO_EGRESS, 0, wrapping->unanswerable, wrapping->service);
	count_packet(wrapping->number, wrapping->opens, inner.bytes);
	return wrapping->redirects ? VERDICT_REDIRECTED : VERDICT_FORWARDED;
}
