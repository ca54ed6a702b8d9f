// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * Both ends of the wire that `beeline bench forward` measures directors on: what makes the packets, what counts them
 * where the real servers stand, and the program that no director can be faster than.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

char _license[] SEC("license") = "Dual MIT/GPL";

/* Station n of the wire has the MAC 02:62:65:65:00:0n: 0 is the director, then come the real servers. */
#define STATIONS 8
#define STATION_PREFIX 0x65656202U /* the first four bytes, read as one little-endian word */

/* A clock costs 30 ns, so only every so many packets are timed. */
#define TIMED_EVERY 1024

/* Each flow number is a client: this many ports of each address. */
#define PORTS_PER_CLIENT 16384
#define FIRST_PORT 1024

/* The packets that `generate` makes; set by the benchmark between runs. */
struct traffic {
	__u8 macs[2 * ETH_ALEN]; /* destination, source */
	__u32 next;              /* flow number, modulo flow_mask + 1 */
	__u32 flow_mask;         /* flows - 1, a power of two less one */
	__u32 checksum;          /* sum of the IP header's words but for the last one of the source address */
	__u32 ttl;               /* time to live */
};

/* The packets that arrived; set to zero between runs. Everything runs on one CPU. */
struct sink {
	__u64 packets;  /* to any station */
	__u64 first_ns; /* when packet number `first_packets` arrived; bpf_ktime_get_ns */
	__u64 first_packets;
	__u64 last_ns;
	__u64 last_packets;
	__u64 station[STATIONS];
};

struct traffic traffic SEC(".data.traffic");
struct sink sink SEC(".data.sink");

/*
 * The client: writes all that a director may have changed in the frame, which is used again and again, gives it the
 * next flow's address and port, and transmits it.
 */
SEC("xdp")
int generate(struct xdp_md *context)
{
	struct ethhdr *ethernet = (void *)(long)context->data;
	struct iphdr *ip = (void *)(ethernet + 1);
	struct udphdr *udp = (void *)(ip + 1);

	if ((void *)(udp + 1) > (void *)(long)context->data_end)
		return XDP_ABORTED;
	__u32 flow = traffic.next++ & traffic.flow_mask;
	__u32 client = flow / PORTS_PER_CLIENT;
	__u32 sum = traffic.checksum + client;

	*(__u64 *)ethernet = *(__u64 *)traffic.macs;
	*(__u32 *)((void *)ethernet + 8) = *(__u32 *)(traffic.macs + 8);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	ip->ttl = traffic.ttl;
	ip->check = bpf_htons(~sum);
	((__be16 *)&ip->saddr)[1] = bpf_htons(client);
	udp->source = bpf_htons(FIRST_PORT + flow % PORTS_PER_CLIENT);
	return XDP_TX;
}

/* Counts what is for a station and drops everything. */
static __always_inline int arrive(const struct xdp_md *context)
{
	const __u8 *frame = (void *)(long)context->data;

	if (frame + sizeof(struct ethhdr) > (__u8 *)(long)context->data_end)
		return XDP_DROP;
	if (*(__u32 *)frame != STATION_PREFIX)
		return XDP_DROP;
	sink.station[frame[5] % STATIONS]++;
	__u64 packets = ++sink.packets;
	if (packets % TIMED_EVERY == 0) {
		__u64 now = bpf_ktime_get_ns();

		if (!sink.first_ns) {
			sink.first_ns = now;
			sink.first_packets = packets;
		}
		sink.last_ns = now;
		sink.last_packets = packets;
	}
	return XDP_DROP;
}

/* The real servers' end of the wire. Put in the director's place, it shows what the harness costs. */
SEC("xdp")
int count(struct xdp_md *context)
{
	return arrive(context);
}

/* The limit: the least that direct routing can be, a real server's MAC and one's own, always the same. */
SEC("xdp")
int rewrite_macs(struct xdp_md *context)
{
	void *frame = (void *)(long)context->data;

	if (frame + sizeof(struct ethhdr) > (void *)(long)context->data_end)
		return XDP_DROP;
	/* 02:62:65:65:00:01, 02:62:65:65:00:00 */
	*(__u64 *)frame = 0x6202010065656202ULL;
	*(__u32 *)(frame + 8) = 0x00006565U;
	return XDP_TX;
}
