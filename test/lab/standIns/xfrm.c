/*
 * ESP of a kernel that has none, for Libreswan's pluto (LD_PRELOAD): wherever it asks XFRM for an SA, the kernel is asked to do nothing and says
 * that it has done it. Policies go through; no packet will ever pass.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <linux/netlink.h>
#include <linux/xfrm.h>
#include <sys/socket.h>
#include <unistd.h>

static void spare_kernel(const void *buf, size_t len)
{
	struct nlmsghdr *h = (struct nlmsghdr *)buf;
	if (len < sizeof(*h) || h->nlmsg_len != len) return;
	if (h->nlmsg_type != XFRM_MSG_NEWSA && h->nlmsg_type != XFRM_MSG_UPDSA && h->nlmsg_type != XFRM_MSG_DELSA) return;
	h->nlmsg_type = NLMSG_NOOP;
	h->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
}

ssize_t sendto(int fd, const void *buf, size_t len, int flags, const struct sockaddr *to, socklen_t tolen)
{
	static ssize_t (*real)(int, const void *, size_t, int, const struct sockaddr *, socklen_t);
	if (!real) real = dlsym(RTLD_NEXT, "sendto");
	if (to && to->sa_family == AF_NETLINK) spare_kernel(buf, len);
	return real(fd, buf, len, flags, to, tolen);
}

/* A message of netlink has its length and one of three types in front; nothing else that pluto writes looks like that. */
ssize_t write(int fd, const void *buf, size_t len)
{
	static ssize_t (*real)(int, const void *, size_t);
	if (!real) real = dlsym(RTLD_NEXT, "write");
	spare_kernel(buf, len);
	return real(fd, buf, len);
}
