// Tiles of TILE_H by TILE_W pixels by TILE_N vec4s of one tensor, and what a tile reads of another in a block of channels: staged in workgroup
// memory by 128 threads, zero outside the image. The including stage says height(), width() (of the tensor that is cut into tiles), N4, and
// source_at(channel, y, x, n4), the value at row y and column x of what is staged, counted from the image's first tile.
override TILE_H: u32 = 4u;
override TILE_W: u32 = 8u;
override TILE_N: u32 = 4u;
override KH: u32 = 1u;
override KW: u32 = 1u;
override STRIDE: u32 = 1u;
const THREADS: u32 = 128u;
const STAGED: u32 = 1000u; // nearly 16 KiB
var<workgroup> staged: array<vec4<f32>, STAGED>; // [channel of the block][staged_h()][staged_w()][TILE_N]

struct Place {
    y: u32,
    x: u32,
    n4: u32,
}

fn staged_h() -> u32 { return (TILE_H - 1u) * STRIDE + KH; }
fn staged_w() -> u32 { return (TILE_W - 1u) * STRIDE + KW; }
fn staged_plane() -> u32 { return staged_h() * staged_w() * TILE_N; }

// The first tap of the first channel, for a place of the tile.
fn staged_place(at: Place) -> u32 { return (at.y * staged_w() + at.x) * STRIDE * TILE_N + at.n4; }

fn tiles_n() -> u32 { return (N4 + TILE_N - 1u) / TILE_N; }
fn tiles_x() -> u32 { return (width() + TILE_W - 1u) / TILE_W; }

// Where a tile begins; below the image where there are no more tiles.
fn corner_of(tile: u32) -> Place {
    return Place(tile / (tiles_n() * tiles_x()) * TILE_H, tile / tiles_n() % tiles_x() * TILE_W, tile % tiles_n() * TILE_N);
}

// What the tile at `corner` reads of these channels.
fn stage(first: u32, last: u32, corner: Place, t: u32) {
    for (var i = t; i < (last - first) * staged_plane(); i += THREADS) {
        let p = i / TILE_N % (staged_plane() / TILE_N);
        let n4 = corner.n4 + i % TILE_N;
        var v = vec4<f32>(0.0);
        if (n4 < N4) {
            v = source_at(first + i / staged_plane(), corner.y * STRIDE + p / staged_w(), corner.x * STRIDE + p % staged_w(), n4);
        }
        staged[i] = v;
    }
}
