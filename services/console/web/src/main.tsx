import '@mantine/core/styles.css';
import { createTheme, MantineProvider } from '@mantine/core';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { Overview } from './overview';

const theme = createTheme({ primaryColor: 'green', defaultRadius: 'md' });
const root = document.getElementById('root');
if (root) {
  createRoot(root).render(
    <StrictMode>
      <MantineProvider theme={theme} defaultColorScheme="auto">
        <Overview />
      </MantineProvider>
    </StrictMode>,
  );
}
