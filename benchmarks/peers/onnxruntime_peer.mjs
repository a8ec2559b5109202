// ONNX Runtime as a peer; PeerProcess.cs has the protocol. Outputs are allocated ahead. Its inference package has no gradients:
// the model of the gradient is composed of softmax and what follows from it.

import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import { FLOAT, INT64, constant, model, node, value } from './onnx_model.mjs';

const require = createRequire(process.env.ONNXRUNTIME_FOLDER + '/');
const { InferenceSession, Tensor } = require('onnxruntime-node');
const { version } = require('onnxruntime-node/package.json');

const [folder, ...numbers] = process.argv.slice(2);
const [tokens, vocabulary, threads, coefficient] = numbers.map(Number);
const scale = coefficient / tokens;

const logits = new Float32Array(tokens * vocabulary);
const file = openSync(folder + '/logits.f32');
for (let read = 0, bytes = new Uint8Array(logits.buffer); read < bytes.length;) read += readSync(file, bytes, read, bytes.length - read);
closeSync(file);
const targets = new BigInt64Array(new Uint8Array(readFileSync(folder + '/targets.i64')).buffer);

const inputs = [value('logits', FLOAT, [tokens, vocabulary]), value('targets', INT64, [tokens, 1])];
const output = { loss: value('loss', FLOAT, [1, 1]), gradient: value('gradient', FLOAT, [tokens, vocabulary]) };
const negativeMean = [node('ReduceMean', ['chosen'], ['mean']), node('Neg', ['mean'], ['loss'])];

const contenders = [
  {
    work: 'Forward',
    name: 'LogSoftmax, GatherElements',
    model: model({
      nodes: [
        node('LogSoftmax', ['logits'], ['logProbabilities'], { axis: 1 }),
        node('GatherElements', ['logProbabilities', 'targets'], ['chosen'], { axis: 1 }),
        ...negativeMean,
      ],
      inputs,
      outputs: [output.loss],
    }),
  },
  {
    work: 'Gradient',
    name: 'Softmax, Mul, ScatterElements',
    model: model({
      nodes: [
        node('Softmax', ['logits'], ['probabilities'], { axis: 1 }),
        node('GatherElements', ['probabilities', 'targets'], ['target'], { axis: 1 }),
        node('Log', ['target'], ['chosen']),
        ...negativeMean,
        node('Mul', ['probabilities', 'scale'], ['scaled']),
        node('Expand', ['minusScale', 'columnShape'], ['updates']),
        node('ScatterElements', ['scaled', 'targets', 'updates'], ['gradient'], { axis: 1, reduction: 'add' }),
      ],
      constants: [
        constant('scale', FLOAT, [1], [scale]),
        constant('minusScale', FLOAT, [1, 1], [-scale]),
        constant('columnShape', INT64, [2], [tokens, 1]),
      ],
      inputs,
      outputs: [output.loss, output.gradient],
    }),
  },
];

const feeds = {
  logits: new Tensor('float32', logits, [tokens, vocabulary]),
  targets: new Tensor('int64', targets, [tokens, 1]),
};
for (const contender of contenders) {
  contender.session = await InferenceSession.create(contender.model, { intraOpNumThreads: threads, interOpNumThreads: 1 });
  contender.fetches = { loss: new Tensor('float32', new Float32Array(1), [1, 1]) };
  if (contender.work === 'Gradient') {
    contender.fetches.gradient = new Tensor('float32', new Float32Array(logits.length), [tokens, vocabulary]);
  }
  contender.run = () => contender.session.run(feeds, contender.fetches);

  await contender.run();
  const results = [contender.fetches.loss.data[0]]; // what was allocated ahead, not what run returns
  if (contender.work === 'Gradient') results.push(contender.fetches.gradient.data.reduce((sum, g, i) => sum + g * logits[i], 0));
  console.log([contender.work, `ONNX Runtime ${version}`, contender.name, ...results].join('\t'));
}
console.log('ready');

for await (const line of createInterface({ input: process.stdin })) {
  const { run } = contenders[Number(line)];
  await run(); // wakes threads and caches
  const start = performance.now();
  await run();
  console.log(performance.now() - start);
}
