import { Card, Text, Title } from '@mantine/core';
import type { ReactNode } from 'react';

interface SectionProps {
  readonly title: string;
  /** Shown instead of the content when there is nothing yet: what to do next. */
  readonly empty?: string | false;
  readonly children: ReactNode;
}

/** A titled card. */
export function Section({ title, empty, children }: SectionProps) {
  return (
    <section aria-label={title}>
      <Title order={4} mb="xs">
        {title}
      </Title>
      <Card withBorder padding={empty ? 'lg' : 0}>
        {empty ? (
          <Text c="dimmed" ff="monospace" size="sm">
            {empty}
          </Text>
        ) : (
          children
        )}
      </Card>
    </section>
  );
}
