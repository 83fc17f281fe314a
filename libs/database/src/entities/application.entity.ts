import { Column, CreateDateColumn, Entity, PrimaryGeneratedColumn } from 'typeorm';

/** An application that may ask for tokens: contract §2. */
@Entity({ schema: 'access', name: 'application' })
export class ApplicationEntity {
  @PrimaryGeneratedColumn('identity', { type: 'bigint' })
  id!: number;

  /** What the application calls itself: `client_id` of OAuth. */
  @Column({ name: 'app_id', type: 'text' })
  appId!: string;

  @Column({ name: 'client_id', type: 'bigint' })
  clientId!: number;

  @Column({ type: 'text' })
  access!: 'call_api' | 'all' | 'platform';

  /** Memory-hard hash; the secret itself is not kept. */
  @Column({ name: 'secret_hash', type: 'text' })
  secretHash!: string;

  @CreateDateColumn({ name: 'created_at', type: 'timestamptz' })
  createdAt!: Date;

  @Column({ name: 'revoked_at', type: 'timestamptz', nullable: true })
  revokedAt!: Date | null;
}
