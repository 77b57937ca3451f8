// What the site consists of: the groups of its sidebar, in reading order. A page of docs/ that is in none of them fails the build.
export const GROUPS = [
  {
    text: 'First steps',
    pages: [
      ['README.md', 'What it is'],
      ['docs/start/curious.md', 'Somebody curious'],
      ['docs/start/web-developer.md', 'A web developer'],
      ['docs/start/onnx.md', 'Somebody with an ONNX model'],
      ['docs/start/operator.md', 'An operator'],
      ['docs/start/cryptographer.md', 'A cryptographer who wants to check'],
      ['docs/protocols.md', 'Who sends what to whom'],
      ['docs/using.md', 'Installing it, commands'],
      ['docs/costs.md', 'What it costs'],
    ],
  },
  {
    text: 'Encrypted inference',
    pages: [
      ['docs/speech.md', 'Speech'],
      ['docs/models.md', 'Models of your own'],
      ['docs/operators.md', 'ONNX operators'],
      ['docs/inference.md', 'How it is computed'],
      ['docs/layouts.md', 'Layouts of one sample'],
      ['docs/images.md', 'Published image networks'],
      ['docs/web.md', 'Pages and subrosa/client'],
      ['docs/operating.md', 'Running a server'],
      ['docs/fleet.md', 'Many machines'],
      ['docs/scale.md', 'Fleets at scale'],
    ],
  },
  {
    text: 'The other modes',
    pages: [
      ['docs/edge.md', 'Two edges'],
      ['docs/training.md', 'Training under encryption'],
      ['docs/joint.md', 'One model of several owners'],
      ['docs/cryptonn.md', 'Training by functional encryption'],
      ['docs/cryptonn-commands.md', 'Its commands'],
    ],
  },
  {
    text: 'Schemes',
    pages: [
      ['docs/ckks.md', 'CKKS'],
      ['docs/bgv.md', 'BGV'],
      ['docs/tfhe.md', 'TFHE'],
      ['docs/functional-encryption.md', 'Functional encryption'],
      ['docs/sizes.md', 'Sizes'],
      ['docs/engine.md', 'The engine'],
    ],
  },
  {
    text: 'How it is made',
    pages: [
      ['SECURITY.md', 'Security'],
      ['docs/evidence.md', 'Evidence'],
      ['docs/claims.md', 'Claims and attacks'],
      ['docs/architecture.md', 'Architecture'],
      ['docs/decisions/README.md', 'Decisions'],
      ['docs/notation.md', 'Notation'],
      ['docs/references.md', 'References'],
      ['docs/data.md', 'Data'],
      ['docs/dependencies.md', 'Dependencies'],
      ['CONTRIBUTING.md', 'Contributing'],
      ['CHANGELOG.md', 'Changes'],
    ],
  },
];
