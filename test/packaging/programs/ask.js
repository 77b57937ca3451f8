// A program of a user: asks the only model of a server.
import { connect } from 'subrosa/client';

export async function ask(server, options) {
  try {
    const model = await connect(server, { ...options, keys: 'session' });
    const { label } = await model.infer(
      Float32Array.from({ length: model.describes.inputs }, (_, i) => i / 4),
    );
    await model.forget();
    return `asked, ${label}`;
  } catch (error) {
    return `failed: ${error.code} ${error.message}`;
  }
}
