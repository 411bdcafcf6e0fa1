/*
 * PF_KEY (RFC 2367) of a kernel that has none, for OpenIKED's iked (LD_PRELOAD): a socket whose other end agrees to everything and hands out SPIs.
 * No packet will ever pass.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <linux/pfkeyv2.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void *answer(void *arg)
{
	int fd = (int)(intptr_t)arg;
	static uint32_t spi = 0xc0000001;
	static uint64_t buf[8192];
	while (read(fd, buf, sizeof(buf)) >= (ssize_t)sizeof(struct sadb_msg)) {
		struct sadb_msg *m = (struct sadb_msg *)buf;
		m->sadb_msg_errno = 0;
		if (m->sadb_msg_type == SADB_GETSPI) {
			struct sadb_sa *sa = (struct sadb_sa *)(m + 1);
			memset(sa, 0, sizeof(*sa));
			sa->sadb_sa_len = sizeof(*sa) / 8;
			sa->sadb_sa_exttype = SADB_EXT_SA;
			sa->sadb_sa_spi = __builtin_bswap32(spi++);
			m->sadb_msg_len = (sizeof(*m) + sizeof(*sa)) / 8;
		}
		if (write(fd, buf, m->sadb_msg_len * 8) < 0) break;
	}
	return 0;
}

int socket(int domain, int type, int protocol)
{
	static int (*real)(int, int, int);
	if (!real) real = dlsym(RTLD_NEXT, "socket");
	if (domain != PF_KEY) return real(domain, type, protocol);
	int pair[2];
	pthread_t thread;
	if (socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) < 0) return -1;
	pthread_create(&thread, 0, answer, (void *)(intptr_t)pair[1]);
	return pair[0];
}

/* IP_IPSEC_POLICY, IP_XFRM_POLICY, and those of IPv6: a socket that goes past the policies of IPsec. */
int setsockopt(int fd, int level, int name, const void *value, socklen_t length)
{
	static int (*real)(int, int, int, const void *, socklen_t);
	if (!real) real = dlsym(RTLD_NEXT, "setsockopt");
	if ((level == 0 && (name == 16 || name == 17)) || (level == 41 && (name == 34 || name == 35))) return 0;
	return real(fd, level, name, value, length);
}

/* iked waits for a millisecond, since a kernel answers within the call. */
int poll(struct pollfd *fds, nfds_t count, int timeout)
{
	static int (*real)(struct pollfd *, nfds_t, int);
	if (!real) real = dlsym(RTLD_NEXT, "poll");
	return real(fds, count, timeout == 1 ? 2000 : timeout);
}
