'use strict'

// npm run test:asan: the tests of the crates that contain `unsafe`, and of the parsers, under AddressSanitizer. It needs a nightly
// toolchain (`rustup toolchain install nightly`), and builds into a folder of its own.

const { spawnSync } = require('node:child_process')
const path = require('node:path')

const ROOT = path.join(__dirname, '..')
const CRATES = ['leakprobe-shadow', 'leakprobe-heap-walk', 'leakprobe-heap-snapshot', 'leakprobe-recorder']
const TARGET = { x64: 'x86_64-unknown-linux-gnu', arm64: 'aarch64-unknown-linux-gnu' }[process.arch]

if (process.platform !== 'linux' || TARGET === undefined || spawnSync('cargo', ['+nightly', '--version']).status !== 0) {
  process.stderr.write('AddressSanitizer needs Linux and a nightly toolchain: rustup toolchain install nightly\n')
  process.exitCode = 1
} else {
  const args = ['+nightly', 'test', '--target', TARGET, '--target-dir', path.join(ROOT, 'target', 'asan'), ...CRATES.flatMap((name) => ['-p', name]), ...process.argv.slice(2)]
  const { status } = spawnSync('cargo', args, { cwd: ROOT, stdio: 'inherit', env: { ...process.env, RUSTFLAGS: '-Zsanitizer=address', ASAN_OPTIONS: 'detect_leaks=1' } })
  process.exitCode = status ?? 1
}
