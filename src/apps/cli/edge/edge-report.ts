/** What a device prints: results, what every layer cost, what each edge learned. */
import { multiplyAdds } from '../../../kernel/integer-linear-map.ts';
import { type IntegerNetwork, realOutput } from '../../../nn/integer/integer-network.ts';
import type { TimedInference } from './edge-timing.ts';
import { formatBytes, formatMs, formatTable, plural } from '../terminal/table.ts';
import { type Paint, printable } from '../terminal/terminal.ts';

/** The rows of a batch. */
function rowsOf<T>(values: ArrayLike<T>, width: number): T[][] {
  const all = Array.from(values);
  return Array.from({ length: all.length / width }, (_, i) => all.slice(i * width, (i + 1) * width));
}

export function edgeReportJson(network: IntegerNetwork, inference: TimedInference) {
  const { layers, traffic, ms } = inference;
  return {
    outputs: rowsOf(inference.outputs, network.outputs),
    ms,
    layers,
    bytesUp: traffic.up,
    bytesDown: traffic.down,
  };
}

/** `labels` names the classes in their order; without it the network's own do, and without those a class is its number. */
export function edgeReport(
  network: IntegerNetwork,
  inference: TimedInference,
  paint: Paint,
  labels: readonly string[] = network.output.labels ?? [],
): string {
  return [
    formatResults(network, inference.outputs, paint, labels),
    formatLayers(network, inference, paint),
    knowledge(network, inference),
  ].join('\n');
}

const MAX_CLASSES = 5;
const MAX_ROWS = 20;

/** The likeliest classes of every input; of a network without probabilities the highest output, then the first ones. */
function formatResults(
  network: IntegerNetwork,
  outputs: Int32Array,
  paint: Paint,
  labels: readonly string[],
): string {
  const named = (index: number) =>
    labels[index] === undefined ? `${index}` : `${index} ${printable(labels[index])}`;
  const rows = rowsOf(realOutput(network, outputs), network.outputs);
  const shown = rows.slice(0, MAX_ROWS).map((row, i) => {
    const best = row
      .map((value, index) => ({ value, index }))
      .sort((first, second) => second.value - first.value)
      .slice(0, MAX_CLASSES);
    const cells = network.output.softmax
      ? best.map(({ value, index }) => `${named(index)} ${paint.dim(`${(100 * value).toFixed(1)} %`)}`)
      : [
          `highest ${paint.bold(named(best[0]!.index))}`,
          ...row.slice(0, MAX_CLASSES - 1).map((value) => value.toPrecision(4)),
        ];
    return [paint.bold(`input ${i + 1}`), network.output.softmax ? 'class' : 'numbers', ...cells];
  });
  const columns = Array.from({ length: 2 + MAX_CLASSES }, () => ({}));
  const more = rows.length > MAX_ROWS ? `  and ${plural(rows.length - MAX_ROWS, 'input')} more\n` : '';
  return `${formatTable(shown, columns)}${more}`;
}

function formatLayers(
  network: IntegerNetwork,
  { layers, ms, traffic }: TimedInference,
  paint: Paint,
): string {
  const head = ['layer', 'outsourced', 'device ms', 'edge A ms', 'edge B ms', 'up', 'down'].map(paint.dim);
  const rows = layers.map(({ layer, deviceMs, edgeMs, bytesUp, bytesDown }) => [
    `${layer + 1} ${network.linears[layer]!.map.kind}`,
    `${(multiplyAdds(network.linears[layer]!.map) / 1e6).toFixed(1)} M`,
    formatMs(deviceMs),
    formatMs(edgeMs.a),
    formatMs(edgeMs.b),
    formatBytes(bytesUp),
    formatBytes(bytesDown),
  ]);
  const sum = (of: (layer: TimedInference['layers'][number]) => number) =>
    layers.reduce((total, layer) => total + of(layer), 0);
  rows.push([
    paint.bold('all'),
    `${(network.linears.reduce((total, { map }) => total + multiplyAdds(map), 0) / 1e6).toFixed(1)} M`,
    formatMs(sum((layer) => layer.deviceMs)),
    formatMs(sum((layer) => layer.edgeMs.a)),
    formatMs(sum((layer) => layer.edgeMs.b)),
    formatBytes(traffic.up),
    formatBytes(traffic.down),
  ]);
  const columns = head.map((_, i) => (i === 0 ? {} : ({ align: 'right' } as const)));
  return `${formatTable([head, ...rows], columns)}  ${paint.bold(`${formatMs(ms)} ms`)} end to end, every answer as computed by a checked edge\n`;
}

function knowledge(network: IntegerNetwork, { outputs }: TimedInference): string {
  const batch = plural(outputs.length / network.outputs, 'input');
  return (
    `  Each edge learned that this device ran the network on ${batch} just now; its words were uniform whatever they are.\n` +
    '  Two edges that pool what they saw would know everything: that they do not is up to who runs them.\n'
  );
}
