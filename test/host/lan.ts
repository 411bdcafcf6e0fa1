/** For tests that are `isolated`: a laptop on a LAN, beyond whose router everything else is. */
import { ip, type Neighbour, neighbour, run } from './isolated.ts';

/** The laptop is here, 192.168.7.2 and 2001:db8:7::2 on eth0; 203.0.113.1 answers. */
export function laptopOnLan(): Neighbour {
  run('ip', 'link', 'set', 'lo', 'up');
  const router = neighbour();
  run('ip', 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', 'lan', 'netns', String(router.pid));
  run('ip', 'addr', 'add', '192.168.7.2/24', 'dev', 'eth0');
  run('ip', '-6', 'addr', 'add', '2001:db8:7::2/64', 'dev', 'eth0', 'nodad');
  run('ip', 'link', 'set', 'eth0', 'up');
  run('ip', 'route', 'add', 'default', 'via', '192.168.7.1');
  run('ip', '-6', 'route', 'add', 'default', 'via', '2001:db8:7::1');
  router.run('ip', 'link', 'set', 'lo', 'up');
  router.run('ip', 'addr', 'add', '192.168.7.1/24', 'dev', 'lan');
  router.run('ip', '-6', 'addr', 'add', '2001:db8:7::1/64', 'dev', 'lan', 'nodad');
  router.run('ip', 'addr', 'add', '203.0.113.1/32', 'dev', 'lo');
  router.run('ip', 'link', 'set', 'lan', 'up');
  // Link-local addresses come and are verified; the comparison wants them settled.
  while (JSON.stringify(ip('addr', 'show', 'eth0')).includes('tentative')) run('sleep', '0.05');
  return router;
}
