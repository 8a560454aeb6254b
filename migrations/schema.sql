-- The tables of the newest revision, as all migrations create them.
-- `make docs` writes this script; change the schema with a migration.
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
CREATE TABLE content (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	digest VARCHAR(140) NOT NULL, 
	size_bytes INTEGER, 
	state VARCHAR(8) NOT NULL, 
	CONSTRAINT ck_content_present_has_size CHECK (state <> 'present' OR size_bytes IS NOT NULL), 
	CONSTRAINT ck_content_state CHECK (state IN ('present', 'absent', 'damaged')), 
	CONSTRAINT ck_content_size CHECK (size_bytes >= 0), 
	CONSTRAINT uq_content_digest UNIQUE (digest)
);
CREATE INDEX ix_content_state ON content (state) WHERE state != 'present';
CREATE TABLE repository (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	name TEXT NOT NULL, blobs_at VARCHAR(27), manifest_at VARCHAR(27), 
	CONSTRAINT uq_repository_name UNIQUE (name)
);
CREATE TABLE blob (
	content_id INTEGER NOT NULL, 
	created_at VARCHAR(27) NOT NULL, 
	CONSTRAINT pk_blob PRIMARY KEY (content_id), 
	CONSTRAINT fk_blob_content_id_content FOREIGN KEY(content_id) REFERENCES content (id) ON DELETE CASCADE
);
CREATE TABLE document (
	content_id INTEGER NOT NULL, 
	bytes BLOB NOT NULL, 
	CONSTRAINT pk_document PRIMARY KEY (content_id), 
	CONSTRAINT fk_document_content_id_content FOREIGN KEY(content_id) REFERENCES content (id) ON DELETE CASCADE
);
CREATE TABLE label (
	content_id INTEGER NOT NULL, 
	"key" TEXT NOT NULL, 
	value TEXT NOT NULL, 
	CONSTRAINT pk_label PRIMARY KEY (content_id, "key"), 
	CONSTRAINT fk_label_content_id_content FOREIGN KEY(content_id) REFERENCES content (id) ON DELETE CASCADE
);
CREATE INDEX ix_label_key_value ON label ("key", value);
CREATE TABLE layer (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	chain_id VARCHAR(140) NOT NULL, 
	parent_id INTEGER, 
	diff_id INTEGER NOT NULL, 
	depth INTEGER NOT NULL, 
	CONSTRAINT ck_layer_base_has_depth_one CHECK ((depth = 1) = (parent_id IS NULL)), 
	CONSTRAINT ck_layer_depth CHECK (depth >= 1), 
	CONSTRAINT fk_layer_diff_id_content FOREIGN KEY(diff_id) REFERENCES content (id) ON DELETE RESTRICT, 
	CONSTRAINT fk_layer_parent_id_layer FOREIGN KEY(parent_id) REFERENCES layer (id) ON DELETE RESTRICT, 
	CONSTRAINT uq_layer_chain_id UNIQUE (chain_id)
);
CREATE INDEX ix_layer_diff_id ON layer (diff_id);
CREATE INDEX ix_layer_parent_id ON layer (parent_id);
CREATE TABLE repository_content (
	repository_id INTEGER NOT NULL, 
	content_id INTEGER NOT NULL, 
	fresh_at VARCHAR(27), media_type TEXT, 
	CONSTRAINT pk_repository_content PRIMARY KEY (repository_id, content_id), 
	CONSTRAINT fk_repository_content_content_id_content FOREIGN KEY(content_id) REFERENCES content (id) ON DELETE RESTRICT, 
	CONSTRAINT fk_repository_content_repository_id_repository FOREIGN KEY(repository_id) REFERENCES repository (id) ON DELETE CASCADE
);
CREATE INDEX ix_repository_content_content_id ON repository_content (content_id);
CREATE TABLE image (
	content_id INTEGER NOT NULL, 
	top_layer_id INTEGER, 
	parent_id INTEGER, 
	os TEXT NOT NULL, 
	architecture TEXT NOT NULL, 
	variant TEXT NOT NULL, 
	created_s INTEGER, 
	diff_state VARCHAR(10) NOT NULL, 
	CONSTRAINT pk_image PRIMARY KEY (content_id), 
	CONSTRAINT ck_image_diff_state CHECK (diff_state IN ('verified', 'unverified', 'mismatch')), 
	CONSTRAINT ck_image_not_its_own_parent CHECK (parent_id IS NULL OR parent_id <> content_id), 
	CONSTRAINT fk_image_content_id_content FOREIGN KEY(content_id) REFERENCES content (id) ON DELETE RESTRICT, 
	CONSTRAINT fk_image_parent_id_image FOREIGN KEY(parent_id) REFERENCES image (content_id) ON DELETE SET NULL, 
	CONSTRAINT fk_image_top_layer_id_layer FOREIGN KEY(top_layer_id) REFERENCES layer (id) ON DELETE RESTRICT
);
CREATE INDEX ix_image_created_s ON image (created_s);
CREATE INDEX ix_image_parent_id ON image (parent_id);
CREATE INDEX ix_image_top_layer_id ON image (top_layer_id);
CREATE TABLE manifest (
	content_id INTEGER NOT NULL, 
	media_type TEXT NOT NULL, 
	kind VARCHAR(8) NOT NULL, 
	subject_id INTEGER, 
	artifact_type TEXT, 
	image_id INTEGER, diff_state VARCHAR(10) CONSTRAINT ck_manifest_diff_state CHECK (diff_state IN ('verified', 'unverified', 'mismatch')), 
	CONSTRAINT pk_manifest PRIMARY KEY (content_id), 
	CONSTRAINT ck_manifest_kind CHECK (kind IN ('manifest', 'index')), 
	CONSTRAINT fk_manifest_content_id_content FOREIGN KEY(content_id) REFERENCES content (id) ON DELETE RESTRICT, 
	CONSTRAINT fk_manifest_image_id_image FOREIGN KEY(image_id) REFERENCES image (content_id) ON DELETE RESTRICT, 
	CONSTRAINT fk_manifest_subject_id_content FOREIGN KEY(subject_id) REFERENCES content (id) ON DELETE RESTRICT
);
CREATE INDEX ix_manifest_image_id ON manifest (image_id);
CREATE INDEX ix_manifest_subject_id ON manifest (subject_id);
CREATE TABLE kept (
	manifest_id INTEGER NOT NULL, 
	at VARCHAR(27) NOT NULL, 
	CONSTRAINT pk_kept PRIMARY KEY (manifest_id), 
	CONSTRAINT fk_kept_manifest_id_manifest FOREIGN KEY(manifest_id) REFERENCES manifest (content_id) ON DELETE RESTRICT
);
CREATE TABLE manifest_edge (
	manifest_id INTEGER NOT NULL, 
	role VARCHAR(8) NOT NULL, 
	position INTEGER NOT NULL, 
	content_id INTEGER NOT NULL, 
	media_type TEXT NOT NULL, 
	platform TEXT, 
	annotations TEXT, 
	urls TEXT, 
	CONSTRAINT pk_manifest_edge PRIMARY KEY (manifest_id, role, position), 
	CONSTRAINT ck_manifest_edge_role CHECK (role IN ('config', 'layer', 'child', 'blob')), 
	CONSTRAINT fk_manifest_edge_content_id_content FOREIGN KEY(content_id) REFERENCES content (id) ON DELETE RESTRICT, 
	CONSTRAINT fk_manifest_edge_manifest_id_manifest FOREIGN KEY(manifest_id) REFERENCES manifest (content_id) ON DELETE CASCADE
);
CREATE INDEX ix_manifest_edge_content_id ON manifest_edge (content_id);
CREATE TABLE reference (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	repository_id INTEGER NOT NULL, 
	tag VARCHAR(128) NOT NULL, 
	manifest_id INTEGER NOT NULL, 
	tagged_at VARCHAR(27) NOT NULL, 
	CONSTRAINT fk_reference_manifest_id_manifest FOREIGN KEY(manifest_id) REFERENCES manifest (content_id) ON DELETE RESTRICT, 
	CONSTRAINT fk_reference_repository_id_repository FOREIGN KEY(repository_id) REFERENCES repository (id) ON DELETE RESTRICT, 
	CONSTRAINT uq_reference_repository_id_tag UNIQUE (repository_id, tag)
);
CREATE INDEX ix_reference_manifest_id ON reference (manifest_id);
CREATE TABLE condemned (
	digest VARCHAR(140) NOT NULL, 
	at VARCHAR(27) NOT NULL, 
	CONSTRAINT pk_condemned PRIMARY KEY (digest)
);
CREATE TABLE event (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	at VARCHAR(27) NOT NULL, 
	action VARCHAR(16) NOT NULL, 
	target TEXT NOT NULL, 
	attributes TEXT NOT NULL
, reader TEXT);
CREATE INDEX ix_event_at ON event (at);
CREATE INDEX ix_event_target ON event (target);
CREATE TABLE import_ledger (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	at VARCHAR(27) NOT NULL, 
	claim VARCHAR(140) NOT NULL, 
	source TEXT NOT NULL, 
	images TEXT NOT NULL, 
	result VARCHAR(16) NOT NULL, 
	operation TEXT NOT NULL, 
	CONSTRAINT ck_import_ledger_result CHECK (result IN ('changed', 'unchanged'))
);
CREATE INDEX ix_import_ledger_claim ON import_ledger (claim);
CREATE TABLE operation (
	id VARCHAR(40) NOT NULL, 
	kind VARCHAR(16) NOT NULL, 
	started_at VARCHAR(27) NOT NULL, 
	pid INTEGER NOT NULL, 
	CONSTRAINT pk_operation PRIMARY KEY (id)
);
CREATE TABLE reference_log (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	at VARCHAR(27) NOT NULL, 
	repository TEXT NOT NULL, 
	tag VARCHAR(128) NOT NULL, 
	old VARCHAR(140), 
	new VARCHAR(140), 
	operation TEXT NOT NULL
, actor TEXT);
CREATE INDEX ix_reference_log_repository_tag ON reference_log (repository, tag);
CREATE TABLE lease (
	operation_id VARCHAR(40) NOT NULL, 
	content_id INTEGER NOT NULL, 
	CONSTRAINT pk_lease PRIMARY KEY (operation_id, content_id), 
	CONSTRAINT fk_lease_content_id_content FOREIGN KEY(content_id) REFERENCES content (id) ON DELETE RESTRICT, 
	CONSTRAINT fk_lease_operation_id_operation FOREIGN KEY(operation_id) REFERENCES operation (id) ON DELETE CASCADE
);
CREATE INDEX ix_lease_content_id ON lease (content_id);
CREATE TABLE upload (
	id VARCHAR(40) NOT NULL, 
	repository TEXT NOT NULL, 
	offset_bytes INTEGER NOT NULL, 
	started_at VARCHAR(27) NOT NULL, 
	touched_at VARCHAR(27) NOT NULL, owner TEXT, 
	CONSTRAINT pk_upload PRIMARY KEY (id), 
	CONSTRAINT ck_upload_offset CHECK (offset_bytes >= 0)
);
CREATE INDEX ix_upload_touched_at ON upload (touched_at);
CREATE INDEX ix_upload_owner ON upload (owner);
CREATE INDEX ix_event_reader ON event (reader, target, at) WHERE reader IS NOT NULL;
CREATE TABLE encoding (
	content_id INTEGER NOT NULL, 
	stored_id INTEGER NOT NULL, 
	codec VARCHAR(8) NOT NULL, 
	seekable BOOLEAN NOT NULL, 
	ours BOOLEAN NOT NULL, 
	checked BOOLEAN NOT NULL, 
	CONSTRAINT pk_encoding PRIMARY KEY (content_id, stored_id), 
	CONSTRAINT ck_encoding_codec CHECK (codec IN ('gzip', 'zstd', 'bzip2', 'xz')), 
	CONSTRAINT ck_encoding_not_itself CHECK (content_id <> stored_id), 
	CONSTRAINT ck_encoding_seekable_is_proven CHECK (NOT seekable OR ours OR checked), 
	CONSTRAINT fk_encoding_content_id_content FOREIGN KEY(content_id) REFERENCES content (id) ON DELETE CASCADE, 
	CONSTRAINT fk_encoding_stored_id_content FOREIGN KEY(stored_id) REFERENCES content (id) ON DELETE RESTRICT
);
CREATE INDEX ix_encoding_stored_id ON encoding (stored_id);
CREATE TABLE foreign_source (
	image_id INTEGER NOT NULL, 
	content_id INTEGER NOT NULL, 
	descriptor BLOB NOT NULL, 
	CONSTRAINT pk_foreign_source PRIMARY KEY (image_id, content_id, descriptor), 
	CONSTRAINT fk_foreign_source_image_id_image FOREIGN KEY(image_id) REFERENCES image (content_id) ON DELETE CASCADE, 
	CONSTRAINT fk_foreign_source_content_id_content FOREIGN KEY(content_id) REFERENCES content (id) ON DELETE CASCADE
);
CREATE INDEX ix_foreign_source_content_id ON foreign_source (content_id);
CREATE INDEX ix_repository_blobs_at ON repository (blobs_at);
CREATE INDEX ix_repository_manifest_at ON repository (manifest_at);
CREATE INDEX ix_repository_content_fresh_at ON repository_content (fresh_at) WHERE fresh_at IS NOT NULL;
CREATE TABLE content_check (
	content_id INTEGER NOT NULL, 
	at VARCHAR(27) NOT NULL, 
	CONSTRAINT pk_content_check PRIMARY KEY (content_id), 
	CONSTRAINT fk_content_check_content_id_content FOREIGN KEY(content_id) REFERENCES content (id) ON DELETE CASCADE
);
CREATE TABLE scrub (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	started_at VARCHAR(27) NOT NULL, 
	before_at VARCHAR(27) NOT NULL, 
	finished_at VARCHAR(27), 
	contents INTEGER NOT NULL, 
	size_bytes INTEGER NOT NULL, 
	errors INTEGER NOT NULL
);
CREATE TABLE removed_manifest (
	content_id INTEGER NOT NULL, 
	at VARCHAR(27) NOT NULL, 
	media_type TEXT NOT NULL, 
	subject_id INTEGER, 
	facts TEXT NOT NULL, 
	CONSTRAINT pk_removed_manifest PRIMARY KEY (content_id), 
	CONSTRAINT fk_removed_manifest_content_id_content FOREIGN KEY(content_id) REFERENCES content (id) ON DELETE CASCADE
);
CREATE INDEX ix_removed_manifest_subject_id ON removed_manifest (subject_id);
CREATE TABLE upstream_tag (
	repository TEXT NOT NULL, 
	tag VARCHAR(128) NOT NULL, 
	digest VARCHAR(140) NOT NULL, 
	etag TEXT NOT NULL, 
	checked_at VARCHAR(27) NOT NULL, 
	CONSTRAINT pk_upstream_tag PRIMARY KEY (repository, tag)
);
CREATE TABLE sync_tag (
	sync VARCHAR(64) NOT NULL, 
	place TEXT NOT NULL, 
	tag VARCHAR(128) NOT NULL, 
	source TEXT NOT NULL, 
	digest VARCHAR(140), 
	etag TEXT NOT NULL, 
	parts VARCHAR(16) NOT NULL, 
	created_at VARCHAR(27), 
	checked_at VARCHAR(27) NOT NULL, 
	failures INTEGER NOT NULL, 
	CONSTRAINT pk_sync_tag PRIMARY KEY (sync, place, tag)
);
CREATE INDEX ix_sync_tag_place_tag ON sync_tag (place, tag);
CREATE TABLE sync_run (
	sync VARCHAR(64) NOT NULL, 
	run VARCHAR(32) NOT NULL, 
	began_at VARCHAR(27) NOT NULL, 
	ended_at VARCHAR(27) NOT NULL, 
	succeeded_at VARCHAR(27), 
	exit_code INTEGER NOT NULL, 
	images INTEGER NOT NULL, 
	moved INTEGER NOT NULL, 
	failed INTEGER NOT NULL, 
	size_bytes INTEGER NOT NULL, 
	failures INTEGER NOT NULL, 
	CONSTRAINT pk_sync_run PRIMARY KEY (sync)
);
CREATE TABLE pending_manifest (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	repository TEXT NOT NULL, 
	digest VARCHAR(140) NOT NULL, 
	media_type TEXT NOT NULL, 
	bytes BLOB NOT NULL, 
	tag VARCHAR(128), 
	etag TEXT NOT NULL, 
	asked_at VARCHAR(27) NOT NULL, 
	CONSTRAINT uq_pending_manifest_repository_digest UNIQUE (repository, digest)
);
CREATE INDEX ix_pending_manifest_repository_tag ON pending_manifest (repository, tag);
CREATE TABLE registry_budget (
	registry TEXT NOT NULL, 
	remaining INTEGER NOT NULL, 
	ceiling INTEGER, 
	noted_at VARCHAR(27) NOT NULL, 
	until VARCHAR(27) NOT NULL, 
	CONSTRAINT pk_registry_budget PRIMARY KEY (registry)
);
CREATE INDEX ix_reference_log_run ON reference_log (operation) WHERE operation >= 'sync-' AND operation < 'sync.';
CREATE TABLE upstream_tag_list (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	repository TEXT NOT NULL, 
	tags BLOB NOT NULL, 
	asked_at VARCHAR(27) NOT NULL, 
	CONSTRAINT uq_upstream_tag_list_repository UNIQUE (repository)
);
INSERT INTO alembic_version (version_num) VALUES ('0017');
