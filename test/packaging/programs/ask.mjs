// node ask.mjs URL INPUTS: what the only model of a server answers, as JSON.
import { connect } from 'subrosa/client';

const [url, inputs] = process.argv.slice(2);
const model = await connect(url);
const { output } = await model.infer(Float32Array.from(JSON.parse(inputs)));
console.log(JSON.stringify([...output]));
await model.forget();
