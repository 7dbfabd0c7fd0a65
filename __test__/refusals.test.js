'use strict'

// Where a process cannot be frozen: the capability says why, and heap snapshots are taken in the app itself.

const assert = require('node:assert/strict')
const { spawnSync } = require('node:child_process')
const { test } = require('node:test')
const { CAPTURES, canMount, skip, start } = require('./captured-app.js')
const { makeDirectory } = require('./helper.js')

const OBJECTS = '1000'
const canFilter = !skip && process.arch === 'x64' && spawnSync('perl', ['-e', '1']).status === 0

test('without /proc the capability says so, and the heap snapshot is taken in the app', { skip: skip || (!canMount && 'mounting needs root'), timeout: 120_000 }, async (t) => {
  const script = 'mount -t tmpfs leakprobe /proc && exec "$0" "$@"'
  const app = start(t, [script, process.execPath, CAPTURES, makeDirectory(t), OBJECTS], 'unshare', ['-m', 'sh', '-c'])
  await app.ready

  const { incident, capabilities } = await app.capture({ heapSnapshot: true, floor: true })

  assert.equal(capabilities.freeze.state, 'fallback')
  assert.match(capabilities.freeze.because, /^heap snapshots stop the app's own process: \/proc\/self\/smaps cannot be used: No such file/)
  assert.deepEqual([incident.heapSnapshot.state, incident.heapSnapshot.by], ['written', 'in-process'], JSON.stringify(incident.heapSnapshot))
  assert.ok(incident.heapSnapshot.countsMatch)
  assert.equal(incident.shadow.state, 'refused')
})

test('a security policy that forbids to fork is found at the first freeze, and not tried again', { skip: skip || (!canFilter && 'perl on x64 sets the filter'), timeout: 120_000 }, async (t) => {
  const app = start(t, [NO_FORK, process.execPath, CAPTURES, makeDirectory(t), OBJECTS], 'perl', ['-e'])
  await app.ready

  const first = await app.capture({ heapSnapshot: true })
  const second = await app.capture({ heapSnapshot: true })

  assert.equal(first.capabilities.freeze.state, 'fallback')
  assert.match(first.capabilities.freeze.because, /the kernel refused to fork, by a security policy/)
  assert.deepEqual([first.incident.shadow.state, first.incident.shadow.attempts], ['failed', 1], JSON.stringify(first.incident.shadow))
  assert.match(first.incident.shadow.because, /refused to fork: Operation not permitted/)
  assert.deepEqual([second.incident.shadow.state, second.incident.heapSnapshot.by], ['refused', 'in-process'])
  for (const { incident } of [first, second]) assert.equal(incident.heapSnapshot.state, 'written', JSON.stringify(incident.heapSnapshot))
})

// Forbids fork, vfork and clone without CLONE_THREAD with EPERM. clone3 is said not to exist, so glibc uses clone for threads.
const NO_FORK = `
  sub op { pack 'SCCL', @_ }
  my ($load, $equal, $bits, $end) = (0x20, 0x15, 0x45, 0x06);
  my ($allow, $forbid, $absent) = (0x7fff0000, 0x00050000 | 1, 0x00050000 | 38);
  my @program = (
    op($load, 0, 0, 0),
    op($equal, 5, 0, 57), op($equal, 4, 0, 58), op($equal, 5, 0, 435), op($equal, 0, 2, 56),
    op($load, 0, 0, 16), op($bits, 0, 1, 0x10000),
    op($end, 0, 0, $allow), op($end, 0, 0, $forbid), op($end, 0, 0, $absent));
  my $code = join '', @program;
  my $filter = pack 'Sx6P', scalar @program, $code;
  syscall(157, 38, 1, 0, 0, 0) == 0 or die "no_new_privs: $!";
  syscall(317, 1, 0, $filter) == 0 or die "seccomp: $!";
  exec @ARGV or die "exec: $!";
`
