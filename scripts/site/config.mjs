// How VitePress shows the pages: no service of others, search by an index of its own.
import { GROUPS } from './pages.mjs';

const link = (path) => `/${path.replace(/\.md$/, '')}`;

export default {
  title: 'subrosa',
  description: 'Privacy-preserving machine learning wherever JavaScript runs',
  lang: 'en',
  cleanUrls: true,
  lastUpdated: false,
  head: [['link', { rel: 'icon', href: '/icon.svg', type: 'image/svg+xml' }]],
  // VitePress finds links between pages; the reference is made after it, and all links are checked once more at the end.
  ignoreDeadLinks: ['/reference/index.html'],
  // Those of GitHub have too little contrast on our ground.
  markdown: { theme: { light: 'github-light-high-contrast', dark: 'github-dark-high-contrast' } },
  themeConfig: {
    search: { provider: 'local' },
    outline: [2, 3],
    externalLinkIcon: false,
    nav: [
      { text: 'First steps', link: '/docs/start/curious' },
      { text: 'Protocols', link: '/docs/protocols' },
      { text: 'Security', link: '/SECURITY' },
      { text: 'API reference', link: '/reference/index.html', target: '_self' },
    ],
    sidebar: GROUPS.map(({ text, pages }) => ({
      text,
      items: pages.map(([path, title]) => ({ text: title, link: link(path) })),
    })),
    docFooter: { prev: 'Before', next: 'Next' },
  },
};
