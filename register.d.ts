// `--require leakprobe/register`, `--import leakprobe/register` or `import 'leakprobe/register'` starts a probe; it exports nothing.
export {}
