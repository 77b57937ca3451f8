import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { DEFAULT_LIMITS } from '../../src/apps/server/index.ts';
import {
  checkCommand,
  type CheckedCommand,
  deployDocuments,
  deployText,
  deployYaml,
  NATS,
  mebibytes,
  packageFacts,
  type Parsed,
  readVariables,
  seconds,
} from './files.ts';

const root = join(import.meta.dirname, '..', '..');
const KUSTOMIZE = deployYaml('kubernetes/kustomization.yaml');
const OBJECTS = (KUSTOMIZE.resources as string[]).flatMap((name) => deployDocuments(`kubernetes/${name}`));
const COMPOSE = deployYaml('compose.yaml');
const UNITS = ['gateway', 'worker'].map((name) => `systemd/subrosa-${name}.service`);
/** Each of our images and programs runs this release. */
const TAG = `subrosa:${packageFacts.version}`;

/** `live.test.ts` asks them. */
const PROBES = ['/v1/health', '/v1/ready'];

function ofKind(kind: string): Parsed[] {
  return OBJECTS.filter((each) => each.kind === kind);
}

/** Pods by the object that makes them. */
const PODS: { name: string; pod: Parsed; labels: Parsed; annotations: Parsed }[] = OBJECTS.filter(
  ({ spec }) => spec?.template?.spec?.containers !== undefined,
).map(({ metadata, spec }) => ({
  name: metadata.name,
  pod: spec.template.spec,
  labels: spec.template.metadata.labels,
  annotations: spec.template.metadata.annotations ?? {},
}));
const CONTAINERS = PODS.flatMap(({ name, pod }) =>
  (pod.containers as Parsed[]).map((container) => ({ name, pod, container })),
);
const OURS = CONTAINERS.filter(({ container }) => container.image === 'subrosa');

function podOf(name: string): Parsed {
  return PODS.find((each) => each.name === name)?.pod;
}

/** Prepared keys, bodies that arrive, and what a process takes besides. */
function holdsMemory({ name, options }: CheckedCommand, limit: number): void {
  const kept =
    name === 'work' ? Number(options.get('--key-memory')) : DEFAULT_LIMITS.maxReceivingBytes / 2 ** 20;
  if (name !== 'fleet publish') expect(limit, name).toBeGreaterThanOrEqual(kept + 1024);
}

/** Ports that a command listens on, by what is there. */
function listens({ name, options }: CheckedCommand): Readonly<Record<string, number>> {
  const port = (flag: string) => Number(options.get(flag));
  if (name === 'serve') return { http: port('--port'), metrics: port('--metrics-port') };
  return name === 'work' ? { health: port('--health-port') } : {};
}

function unitLines(name: string): Map<string, string[]> {
  const lines = new Map<string, string[]>();
  for (const line of deployText(name).replaceAll('\\\n', ' ').split('\n')) {
    if (!/^[A-Z]/.test(line)) continue;
    const at = line.indexOf('=');
    lines.set(line.slice(0, at), [...(lines.get(line.slice(0, at)) ?? []), line.slice(at + 1)]);
  }
  return lines;
}

describe('a command line in a deployment', () => {
  it('is refused when a command, an option, a value or an operand is none of ours', () => {
    expect(checkCommand(['work', '--health-port=8415']).options.get('--health-port')).toBe('8415');
    for (const [args, reason] of [
      [['works'], 'names no command'],
      [['work', '--health-prot=8415'], 'work has no option --health-prot'],
      [['work', '--health-port=http'], 'a whole number'],
      [['work', '--health-port'], 'a value too many or too few'],
      [['serve', '--insecure-listen=yes'], 'a value too many or too few'],
      [['serve', '--log-level=loud'], 'none of info, warn, silent'],
      [['work', 'digits'], 'takes other operands'],
      [['fleet', 'publish'], 'takes other operands'],
    ] as const)
      expect(() => checkCommand(args), args.join(' ')).toThrow(reason);
  });

  it('names variables that some command reads', () => {
    for (const name of [
      'SUBROSA_FLEET',
      'SUBROSA_BLOBS',
      'SUBROSA_FLEET_SECRET',
      'SUBROSA_THREADS',
      'AWS_ACCESS_KEY_ID',
    ])
      expect(readVariables.has(name), name).toBe(true);
    for (const name of ['SUBROSA_FLEETS', 'SUBROSA_KEY_MEMORY', 'NATS_PASSWORD'])
      expect(readVariables.has(name), name).toBe(false);
  });
});

describe('the image', () => {
  const text = deployText('Dockerfile');
  const lines = text.split('\n').filter((line) => /^[A-Z]+ /.test(line));
  const ofInstruction = (name: string) =>
    lines.filter((line) => line.startsWith(`${name} `)).map((line) => line.slice(name.length + 1));

  it('is built of what is there, without a network beyond the package registries', () => {
    expect(ofInstruction('FROM')).toEqual(['node:24-bookworm AS build', 'node:24-bookworm-slim']);
    const run = ofInstruction('RUN').join('\n');
    expect(run).not.toMatch(/curl|wget|git|apt|https?:|npx/);
    for (const [, script] of run.matchAll(/npm run (\w+)/g))
      expect(packageFacts.scripts).toHaveProperty(script as string);
    for (const [, file] of run.matchAll(/node (\S+\.mjs)/g))
      expect(existsSync(join(root, file as string)), file).toBe(true);
    const built = /^(?:dist|node_modules|build\/)/;
    const copied = ofInstruction('COPY').flatMap((line) => line.split(' ').slice(0, -1));
    for (const path of copied
      .filter((each) => !each.startsWith('--'))
      .map((each) => each.replace(/^\/src\//, '')))
      expect(built.test(path) || existsSync(join(root, path)), path).toBe(true);
    // What the image holds is what the package holds, without what nobody runs.
    const kept = ofInstruction('COPY')
      .filter((line) => line.startsWith('--from=build'))
      .join(' ');
    for (const path of packageFacts.files.filter((each: string) => !/arm64|docs|deploy|\.md$/.test(each)))
      expect(kept, path).toContain(`/src/${path}`);
  });

  it('runs our command as nobody in particular, on the ports of the deployments', () => {
    expect(JSON.parse(ofInstruction('ENTRYPOINT')[0] as string)).toEqual([
      'node',
      `/app/${packageFacts.bin.subrosa}`,
    ]);
    expect(ofInstruction('USER')).toEqual(['node']);
    const used = OURS.flatMap(({ container }) => Object.values(listens(checkCommand(container.args))));
    expect(new Set(ofInstruction('EXPOSE')[0]?.split(' ').map(Number))).toEqual(new Set(used));
    expect(text).toContain(TAG);
  });

  it('keeps the optional peers in the versions that are tested', () => {
    const folder = mkdtempSync(join(tmpdir(), 'subrosa-peers-'));
    try {
      writeFileSync(join(folder, 'package.json'), JSON.stringify(packageFacts));
      const script = deployText('keep-peers.mjs').replace("'../package.json'", "'./package.json'");
      writeFileSync(join(folder, 'keep-peers.mjs'), script);
      expect(spawnSync(process.execPath, [join(folder, 'keep-peers.mjs')]).status).toBe(0);
      const facts = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
      for (const name of Object.keys(packageFacts.peerDependencies)) {
        expect(facts.dependencies[name], name).toMatch(/^\d+\.\d+\.\d+$/);
        expect(facts.devDependencies).not.toHaveProperty(name);
      }
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

describe('compose.yaml', () => {
  const services = Object.entries<Parsed>(COMPOSE.services);
  const ours = services.filter(([, { image }]) => image === TAG);

  it('runs commands that there are, on ports that are probed and let out', () => {
    expect(ours.map(([name]) => name)).toEqual(['publish', 'gateway', 'worker']);
    for (const [name, service] of ours) {
      const command = checkCommand(service.command);
      const ports = Object.values(listens(command));
      const probe = (service.healthcheck?.test ?? []).join(' ');
      if (ports.length > 0) {
        const [, port, path] = /http:\/\/127\.0\.0\.1:(\d+)(\/[\w/]+)/.exec(probe) ?? [];
        expect(ports, name).toContain(Number(port));
        expect(PROBES).toContain(path);
      }
      for (const mapped of service.ports ?? []) {
        const [address, , inner] = mapped.split(':');
        expect(address).toBe('127.0.0.1');
        expect(ports, name).toContain(Number(inner));
      }
      expect(service.build).toEqual({ context: '..', dockerfile: 'deploy/Dockerfile' });
      expect(service).toMatchObject({ read_only: true, cap_drop: ['ALL'] });
    }
  });

  it('sets variables that are read, and no secret', () => {
    for (const [name, { environment }] of ours)
      for (const [variable, value] of Object.entries<string>(environment)) {
        expect(readVariables.has(variable), `${name} ${variable}`).toBe(true);
        if (/SECRET|KEY/.test(variable)) expect(value).toMatch(/^\$\{\w+:[?-]\}$/);
      }
    const { environment } = COMPOSE.services.gateway;
    const { hostname, port, password } = new URL(
      environment.SUBROSA_FLEET.replace('nats:', 'http:').replace(/\$\{.*?\}/, 'x'),
    );
    expect([hostname, port, password]).toEqual(['broker', String(NATS.port), 'x']);
    expect(environment.SUBROSA_BLOBS).toMatch(/^\$\{SUBROSA_BLOBS:-file:\/blobs\}$/);
    for (const [, service] of ours) expect(service.volumes).toEqual(['blobs:/blobs']);
  });

  it('gives every process its cores, memory for what it may keep, and time to end', () => {
    for (const [name, service] of ours) {
      const { cpus, memory } = service.deploy.resources.limits;
      expect(service.environment.SUBROSA_THREADS, name).toBe(cpus);
      holdsMemory(checkCommand(service.command), mebibytes(memory));
      if (service.stop_grace_period !== undefined)
        expect(1000 * seconds(service.stop_grace_period)).toBeGreaterThan(DEFAULT_LIMITS.graceMs);
    }
    expect(seconds(COMPOSE.services.worker.stop_grace_period)).toBe(
      podOf('worker').terminationGracePeriodSeconds,
    );
  });

  it('mounts and waits for what there is', () => {
    for (const [name, service] of services) {
      for (const volume of service.volumes ?? []) {
        const [from] = volume.split(':');
        const isThere = from.startsWith('.')
          ? existsSync(join(root, 'deploy', from))
          : from in COMPOSE.volumes;
        expect(isThere, `${name} ${volume}`).toBe(true);
      }
      for (const other of Object.keys(service.depends_on ?? {}))
        expect(COMPOSE.services).toHaveProperty(other);
    }
    const { broker } = COMPOSE.services;
    expect(broker.volumes).toContain(`./kubernetes/nats.conf:${broker.command[1]}:ro`);
    expect(broker.healthcheck.test.join(' ')).toContain(`:${NATS.healthPort}/healthz`);
    expect(broker.volumes).toContain(`queues:${NATS.folder}`);
  });
});

describe('kubernetes/', () => {
  it('runs commands that there are, of this release', () => {
    expect(OURS.map(({ container }) => checkCommand(container.args).name)).toEqual([
      'fleet publish',
      'serve',
      'work',
    ]);
    expect(KUSTOMIZE.images).toContainEqual({ name: 'subrosa', newTag: packageFacts.version });
    const broker = COMPOSE.services.broker.image.split(':');
    expect(KUSTOMIZE.images).toContainEqual({ name: broker[0], newTag: broker[1] });
    for (const { container } of CONTAINERS)
      expect(KUSTOMIZE.images.map((each: Parsed) => each.name)).toContain(container.image);
  });

  it('names the ports that the commands listen on, and probes paths that answer there', () => {
    for (const { name, container } of OURS) {
      const ports = Object.fromEntries(
        (container.ports ?? []).map((each: Parsed) => [each.name, each.containerPort]),
      );
      expect(ports, name).toEqual(listens(checkCommand(container.args)));
      if (Object.keys(ports).length === 0) continue;
      const probes = [container.startupProbe, container.livenessProbe, container.readinessProbe];
      const page = name === 'gateway' ? 'http' : 'health';
      expect(probes.map((probe) => [probe.httpGet.path, probe.httpGet.port])).toEqual([
        ['/v1/health', page],
        ['/v1/health', page],
        ['/v1/ready', page],
      ]);
    }
    const nats = podOf('broker').containers[0];
    const ports = nats.ports.map((each: Parsed) => each.containerPort);
    expect(ports).toEqual([NATS.port, NATS.healthPort]);
    for (const each of PODS.filter(({ annotations }) => 'prometheus.io/port' in annotations)) {
      const command = checkCommand(each.pod.containers[0].args);
      const page = command.name === 'serve' ? 'metrics' : 'health';
      expect(each.annotations).toMatchObject({
        'prometheus.io/port': String(listens(command)[page]),
        'prometheus.io/path': '/metrics',
      });
    }
  });

  it('reaches services, pods and ports that there are', () => {
    const portNames = (labels: Parsed) =>
      PODS.filter((each) =>
        Object.entries(labels).every(([key, value]) => each.labels[key] === value),
      ).flatMap(({ pod }) => pod.containers.flatMap((each: Parsed) => each.ports ?? []));
    for (const { spec, metadata } of ofKind('Service'))
      for (const { targetPort } of spec.ports)
        expect(
          portNames(spec.selector).map((each: Parsed) => each.name),
          metadata.name,
        ).toContain(targetPort);
    for (const { spec, metadata } of ofKind('NetworkPolicy')) {
      for (const { ports } of spec.ingress ?? [])
        for (const { port } of ports)
          expect(
            portNames(spec.podSelector.matchLabels).map((each: Parsed) => each.name),
            metadata.name,
          ).toContain(port);
      for (const { to = [], ports } of spec.egress ?? [])
        for (const { podSelector } of to.filter((each: Parsed) => each.podSelector !== undefined))
          for (const { port } of ports)
            expect(portNames(podSelector.matchLabels).map((each: Parsed) => each.containerPort)).toContain(
              port,
            );
    }
    const [{ spec }] = ofKind('Ingress');
    const { service } = spec.rules[0].http.paths[0].backend;
    expect(
      ofKind('Service').find(({ metadata }) => metadata.name === service.name)?.spec.ports,
    ).toContainEqual(expect.objectContaining(service.port));
    for (const { spec: scaling } of ofKind('HorizontalPodAutoscaler'))
      expect(
        OBJECTS.find(
          (each) => each.kind === 'Deployment' && each.metadata.name === scaling.scaleTargetRef.name,
        ),
      ).toBeDefined();
    for (const { spec: budget } of ofKind('PodDisruptionBudget'))
      expect(portNames(budget.selector.matchLabels)).not.toEqual([]);
  });

  it('closes everything first, and lets no client reach a worker or the broker', () => {
    const policies = ofKind('NetworkPolicy');
    expect(policies.find(({ metadata }) => metadata.name === 'nothing-else')?.spec).toEqual({
      podSelector: {},
      policyTypes: ['Ingress', 'Egress'],
    });
    for (const name of ['worker', 'broker']) {
      const rules = policies.find(({ metadata }) => metadata.name === name)?.spec.ingress;
      for (const { from } of rules)
        for (const each of from)
          expect([
            { podSelector: { matchLabels: { fleet: 'member' } } },
            { namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'monitoring' } } },
          ]).toContainEqual(each);
    }
  });

  it('takes secrets by reference, and variables that are read', () => {
    const keys = new Set(
      [...deployText('kubernetes/kustomization.yaml').matchAll(/--from-literal=([\w-]+)=/g)].map(
        (match) => match[1],
      ),
    );
    const literals = (KUSTOMIZE.configMapGenerator as Parsed[]).flatMap(({ name, literals: all = [] }) =>
      all.map((each: string) => `${name} ${each.split('=')[0]}`),
    );
    expect(ofKind('Secret')).toEqual([]);
    for (const { name, container } of CONTAINERS)
      for (const { name: variable, value, valueFrom } of container.env) {
        if (container.image === 'subrosa' && variable !== 'NATS_PASSWORD')
          expect(readVariables.has(variable), `${name} ${variable}`).toBe(true);
        if (/PASSWORD|SECRET|ACCESS/.test(variable)) {
          expect(valueFrom.secretKeyRef.name).toBe('subrosa-fleet');
          expect(keys).toContain(valueFrom.secretKeyRef.key);
        } else if (valueFrom?.configMapKeyRef !== undefined)
          expect(literals).toContain(`${valueFrom.configMapKeyRef.name} ${valueFrom.configMapKeyRef.key}`);
        else if (valueFrom?.resourceFieldRef !== undefined)
          expect(container.resources.limits).toHaveProperty('cpu');
        // What stands before it is what it may name.
        else
          for (const [, inner] of value.matchAll(/\$\((\w+)\)/g))
            expect(container.env.map((each: Parsed) => each.name)).toContain(inner);
      }
  });

  it('limits every container and gives it time to end', () => {
    for (const { name, pod, container } of CONTAINERS) {
      expect(pod.securityContext.runAsNonRoot, name).toBe(true);
      expect(pod.automountServiceAccountToken, name).toBe(false);
      expect(container.securityContext).toEqual({
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
      });
      const memory = mebibytes(container.resources.limits.memory);
      if (container.image === 'subrosa') holdsMemory(checkCommand(container.args), memory);
    }
    const pause = Number(podOf('gateway').containers[0].lifecycle.preStop.exec.command[1]);
    expect(1000 * podOf('gateway').terminationGracePeriodSeconds).toBeGreaterThan(
      1000 * pause + DEFAULT_LIMITS.graceMs,
    );
  });
});

describe('systemd units', () => {
  it('run commands that there are, end them with the signal that drains, and set what systemd knows', () => {
    const names: string[] = [];
    for (const unit of UNITS) {
      const lines = unitLines(unit);
      const [program = '', ...args] = (lines.get('ExecStart')?.[0] ?? '').split(/\s+/);
      expect(program).toBe('/usr/local/bin/subrosa');
      const command = checkCommand(args);
      names.push(command.name);
      holdsMemory(command, mebibytes(lines.get('MemoryMax')?.[0] ?? ''));
      expect(lines.get('KillSignal')).toEqual(['SIGTERM']);
      expect(1000 * Number(lines.get('TimeoutStopSec')?.[0])).toBeGreaterThan(DEFAULT_LIMITS.graceMs);
      for (const [variable] of deployText(unit).matchAll(/\b(?:SUBROSA|AWS)_[A-Z_]+\b/g))
        expect(readVariables.has(variable), variable).toBe(true);
    }
    expect(names).toEqual(['serve', 'work']);
  });

  it.skipIf(!existsSync('/usr/bin/systemd-analyze'))(
    'are found right by systemd-analyze verify, where there is one',
    () => {
      const { stderr } = spawnSync('systemd-analyze', [
        'verify',
        ...UNITS.map((name) => join(root, 'deploy', name)),
      ]);
      // The program is installed where these are used.
      const said = stderr
        .toString()
        .split('\n')
        .filter((line) => /subrosa-/.test(line) && !/is not executable/.test(line));
      expect(said).toEqual([]);
    },
  );
});
